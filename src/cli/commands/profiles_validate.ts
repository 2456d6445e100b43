import { validateProfileFiles, type ValidationResult } from "../../profiles/validate_profile_files.ts";
import { argumentCheck } from "../../serve/argument_check.ts";
import type { ProfileFault } from "../../profiles/types.ts";
import { count } from "../format.ts";
import { command, FORMAT_FLAG, text } from "../command.ts";

export const profilesValidate = command({
  usage: "profiles validate PATH...",
  summary: "check profile files, and print every fault with file:line:column",
  flags: {
    "--strict": "also check AMD's style rules: file names, no unknown or retired keys, one primary profile",
    "--engine-version VERSION":
      "also warn about engine arguments that this version of the engine does not take",
    ...FORMAT_FLAG,
  },
  examples: {
    "aim profiles validate profiles/custom": "all profiles in a folder, at any depth",
    "aim profiles validate my-profile.yaml": "one file; exit code 2 if it has faults",
    "aim profiles validate profiles --format json": "the same as JSON",
  },
  async run({ args, flags, report }) {
    const result = await validateProfileFiles(
      args,
      flags.strict === true,
      argumentCheck(text(flags["engine-version"]) ?? null),
    );
    report(result, () => inWords(result));
    return result.faults.length === 0 ? 0 : 2;
  },
});

function inWords({ files, faults, warnings }: ValidationResult): string {
  const lineOf = (kind: string) => ({ path, line, column, reason }: ProfileFault) =>
    `${path}:${line}:${column}: ${kind}${reason}`;
  const bad = new Set(faults.map((fault) => fault.path)).size;
  const found = faults.length > 0
    ? `${count(faults.length, "fault")} in ${count(bad, "file")}`
    : ["no faults", ...warnings.length === 0 ? [] : [count(warnings.length, "warning")]].join(", ");
  const lines = [...faults.map(lineOf("")), ...warnings.map(lineOf("warning: "))];
  return [...lines, `${count(files, "file")}, ${found}`, ""].join("\n");
}
