import { nearest } from "../../config/nearest.ts";
import { AimError } from "../../errors/aim_error.ts";
import { command } from "../define.ts";
import { renderTopic, TOPIC_NAMES } from "../help_topics.ts";
import { pageOf, renderCommandHelp, renderOverview } from "../render_help.ts";

export const help = command({
  usage: "help [COMMAND...]",
  summary: "show help on a command, or on environment, exit-codes, permissions, json",
  examples: {
    "aim help": "list the commands",
    "aim help download-to-cache": "what one command takes",
    "aim help environment": "every variable with its default",
  },
  async run({ args, commands, print, stdout }) {
    const page = pageOf(stdout);
    const name = args.join(" ");
    const topic = await renderTopic(name, page, commands);
    if (topic !== null) return print(topic);
    const command = await commands.load(name);
    if (command !== null) return print(renderCommandHelp(command, page));
    const group = commands.names().filter((one) => name === "" || one.startsWith(`${name} `));
    if (group.length > 0) {
      const members = await Promise.all(group.map(commands.load));
      return print(renderOverview(members.filter((one) => one !== null), name, page));
    }
    const near = nearest(name, [...commands.names(), ...TOPIC_NAMES]);
    throw new AimError("usage", `no help on ${JSON.stringify(name)}`, {
      hint: near === null ? "see aim help" : `did you mean aim help ${near}?`,
    });
  },
});
