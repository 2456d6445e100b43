import { AimError } from "../../errors/aim_error.ts";
import { nearest } from "../../config/nearest.ts";
import type { Command } from "../command.ts";
import { renderCommandHelp, renderOverview } from "../render_help.ts";
import { commandNames, loadCommand, subcommandsOf } from "../registry.ts";
import { TOPICS } from "../help_topics.ts";

/** `aim help [COMMAND | TOPIC]`. */
export const help: Command = {
  name: "help",
  summary: "show help on a command, or on environment, exit-codes, permissions, json",
  positionals: [{ name: "[COMMAND]", required: false, many: true }],
  settings: [],
  flags: [],
  examples: [
    { command: "aim help", does: "list the commands" },
    { command: "aim help download-to-cache", does: "what one command takes" },
    { command: "aim help environment", does: "every variable with its default" },
  ],
  permissions: { write: false, net: false, run: false, ffi: false },
  async run({ args, print, stdout }) {
    const colour = stdout.colour;
    const name = args.join(" ");
    const topic = TOPICS.find((t) => t.name === name);
    if (topic !== undefined) {
      print(await topic.render(colour));
      return 0;
    }
    const command = await loadCommand(name);
    if (command !== null) {
      print(renderCommandHelp(command, colour));
      return 0;
    }
    if (name === "" || subcommandsOf(name).length > 0) {
      const names = name === "" ? commandNames() : commandNames().filter((n) => n.startsWith(`${name} `));
      print(renderOverview(await loadAll(names), name, colour));
      return 0;
    }
    const near = nearest(name, [...commandNames(), ...TOPICS.map((t) => t.name)]);
    throw new AimError("usage", `no help on ${JSON.stringify(name)}`, {
      hint: near === null ? "see aim help" : `did you mean aim help ${near}?`,
    });
  },
};

async function loadAll(names: readonly string[]): Promise<Command[]> {
  const commands = await Promise.all(names.map(loadCommand));
  return commands.filter((c) => c !== null);
}
