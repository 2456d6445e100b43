import { cachePaths, cacheRoots } from "../../cache/cache_paths.ts";
import { type Verification, verifyModel } from "../../cache/verify_model.ts";
import { AimError } from "../../errors/aim_error.ts";
import { EXIT_CODES } from "../../errors/exit_codes.ts";
import type { Command } from "../command.ts";
import { count, formatBytes } from "../format.ts";
import { folderInWords, LAYOUT_FLAG, pickModels } from "../pick_models.ts";
import { style } from "../style.ts";
import { jsonReport } from "../json_report.ts";

/** `aim cache verify`: hash every file again. */
export const cacheVerify: Command = {
  name: "cache verify",
  summary: "hash every file of the models in the caches, and name each that is bad or missing",
  positionals: [{ name: "MODEL", required: false, many: true }],
  settings: ["cachePath"],
  flags: [LAYOUT_FLAG, {
    name: "format",
    type: "string",
    value: "FORMAT",
    choices: ["text", "json"],
    default: "text",
    help: "how the result is printed",
  }],
  examples: [
    { command: "aim cache verify", does: "all models" },
    { command: "aim cache verify --format json", does: "for programs; exit code 8 where something is bad" },
  ],
  permissions: { write: false, net: false, run: false, ffi: false },
  async run(context) {
    const { flags, print, signal, stdout } = context;
    const folders = await pickModels(context);
    if (folders.length === 0) {
      throw new AimError("not-found", "there is no model in the caches", {
        hint: "check AIM_CACHE_PATH and HF_HOME",
      });
    }
    const roots = cacheRoots(cachePaths(context.config));
    const results: Verification[] = [];
    for (const model of folders.flatMap((folder) => folder.models)) {
      const result = await verifyModel(model, { signal, roots });
      results.push(result);
      if (flags.format !== "json") print(inWords(result, stdout.colour));
    }
    if (flags.format === "json") print(jsonReport({ models: results }));
    const bad = results.some((one) =>
      one.findings.some((finding) => finding.state !== "unknown") || one.good === 0
    );
    return bad ? EXIT_CODES.integrity.code : 0;
  },
};

function inWords({ model, whole, bytes, good, findings }: Verification, colour: boolean): string {
  const { green, red, yellow } = style(colour);
  const which = `${folderInWords(model)}${model.commit === null ? "" : ` ${model.commit.slice(0, 12)}`}`;
  const head = whole
    ? green(`${which}: good, ${count(good, "file")}, ${formatBytes(bytes)}`)
    : `${which}: ${good} good, ${findings.length} not`;
  const rest = findings.map(({ path, state, reason }) => {
    const mark = state === "unknown" ? yellow("unknown") : red(state.padEnd(7));
    return `  ${mark} ${model.path}${path === "" ? "" : `/${path}`}: ${reason}`;
  });
  return `${[head, ...rest].join("\n")}\n`;
}
