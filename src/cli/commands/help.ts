import { nearest } from "../../config/nearest.ts";
import { AimError } from "../../errors/aim_error.ts";
import { command } from "../command.ts";
import { TOPICS } from "../help_topics.ts";
import { pageWidth, renderCommandHelp, renderOverview, renderPage } from "../render_help.ts";
import { bold } from "../style.ts";

export const help = command({
  usage: "help [COMMAND...]",
  summary: "show help on a command, or on environment, exit-codes, json",
  examples: {
    "aim help": "list the commands",
    "aim help download-to-cache": "arguments, flags and settings of a command",
    "aim help environment": "every variable with its default",
  },
  async run({ args, commands, print, stdout }) {
    const width = pageWidth(stdout.width);
    const name = args.join(" ");
    const topic = TOPICS.get(name)?.();
    if (topic !== undefined) {
      return print(renderPage(width, [bold(`aim help ${name}`), ...topic]));
    }
    const all = await commands();
    const command = all.find((one) => one.name === name);
    if (command !== undefined) return print(renderCommandHelp(command, width));
    const group = all.filter((one) => name === "" || one.name.startsWith(`${name} `));
    if (group.length > 0) return print(renderOverview(group, name, width));
    const near = nearest(name, [...all.map((one) => one.name), ...TOPICS.keys()]);
    const hint = near === null ? "see aim help" : `did you mean aim help ${near}?`;
    throw new AimError("usage", `no help on ${JSON.stringify(name)}`, { hint });
  },
});
