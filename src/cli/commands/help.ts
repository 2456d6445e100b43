import { AimError } from "../../errors/aim_error.ts";
import { nearest } from "../../config/nearest.ts";
import type { Command, CommandTable } from "../command.ts";
import { pageOf, renderCommandHelp, renderOverview } from "../render_help.ts";
import { TOPICS } from "../help_topics.ts";

/** `aim help [COMMAND | TOPIC]`. */
export const help: Command = {
  name: "help",
  summary: "show help on a command, or on environment, exit-codes, permissions, json",
  positionals: [{ name: "[COMMAND]", required: false, many: true }],
  settings: [],
  flags: [],
  examples: {
    "aim help": "list the commands",
    "aim help download-to-cache": "what one command takes",
    "aim help environment": "every variable with its default",
  },
  permissions: { write: false, net: false, run: false, ffi: false },
  async run({ args, commands, print, stdout }) {
    const page = pageOf(stdout);
    const name = args.join(" ");
    const topic = TOPICS.find((t) => t.name === name);
    if (topic !== undefined) {
      print(await topic.render(page, commands));
      return 0;
    }
    const command = await commands.load(name);
    if (command !== null) {
      print(renderCommandHelp(command, page));
      return 0;
    }
    const group = commands.names().filter((one) => name === "" || one.startsWith(`${name} `));
    if (group.length > 0) {
      print(renderOverview(await loadAll(group, commands), name, page));
      return 0;
    }
    const near = nearest(name, [...commands.names(), ...TOPICS.map((t) => t.name)]);
    throw new AimError("usage", `no help on ${JSON.stringify(name)}`, {
      hint: near === null ? "see aim help" : `did you mean aim help ${near}?`,
    });
  },
};

async function loadAll(names: readonly string[], table: CommandTable): Promise<Command[]> {
  const commands = await Promise.all(names.map((name) => table.load(name)));
  return commands.filter((c) => c !== null);
}
