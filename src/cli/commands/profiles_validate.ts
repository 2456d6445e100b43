import { validateProfileFiles } from "../../profiles/validate_profile_files.ts";
import { argumentCheck } from "../../serve/argument_check.ts";
import type { ProfileFault } from "../../profiles/types.ts";
import type { Command } from "../command.ts";
import { count } from "../format.ts";
import { jsonReport } from "../json_report.ts";
import { formatFlag } from "../format_flag.ts";
import { flag } from "../flag.ts";

/** `aim profiles validate PATH…`: every fault of profile files. */
export const profilesValidate: Command = {
  name: "profiles validate",
  summary: "check profile files; every fault with file:line:column",
  positionals: [{ name: "PATH", required: true, many: true }],
  settings: [],
  flags: [
    flag("--strict", "also AMD's style rules: file names, no unknown or retired keys, one primary profile"),
    flag(
      "--engine-version VERSION",
      "also warn about engine arguments that this version of the engine does not take",
    ),
    formatFlag("text", "json"),
  ],
  examples: {
    "aim profiles validate profiles/custom": "all profiles in a folder, at any depth",
    "aim profiles validate my-profile.yaml": "one file; exit code 2 where it has faults",
    "aim profiles validate profiles --format json": "the same for programs",
  },
  permissions: { write: false, net: false, run: false, ffi: false },
  async run({ args, flags, print }) {
    const result = await validateProfileFiles(args, {
      strict: flags.strict === true,
      checkArgs: argumentCheck(typeof flags["engine-version"] === "string" ? flags["engine-version"] : null),
    });
    const { files, faults, warnings } = result;
    if (flags.format === "json") print(jsonReport({ ...result }));
    else {
      const lineOf = (kind: string) => ({ path, line, column, reason }: ProfileFault) =>
        `${path}:${line}:${column}: ${kind}${reason}`;
      const lines = [...faults.map(lineOf("")), ...warnings.map(lineOf("warning: "))];
      const bad = new Set(faults.map((fault) => fault.path)).size;
      const summary = faults.length === 0
        ? `${count(files, "file")}, no faults${
          warnings.length === 0 ? "" : `, ${count(warnings.length, "warning")}`
        }`
        : `${count(files, "file")}, ${count(faults.length, "fault")} in ${count(bad, "file")}`;
      print([...lines, summary, ""].join("\n"));
    }
    return faults.length === 0 ? 0 : 2;
  },
};
