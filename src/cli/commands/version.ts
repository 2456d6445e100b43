import { readBuildInfo } from "../build_info.ts";
import { command } from "../command.ts";

export const version = command({
  usage: "version",
  summary: "show version, commit and form",
  run({ print }) {
    const { version, commit, form } = readBuildInfo();
    const from = commit === null ? "" : `commit ${commit.slice(0, 12)}, `;
    print(`aim ${version} (${from}Deno ${Deno.version.deno}, ${form})\n`);
  },
});
