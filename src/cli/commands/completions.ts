import { command } from "../command.ts";
import bash from "../completions/aim.bash" with { type: "text" };
import fish from "../completions/aim.fish" with { type: "text" };
import zsh from "../completions/aim.zsh" with { type: "text" };

const SCRIPTS: ReadonlyMap<string, string> = new Map([["bash", bash], ["zsh", zsh], ["fish", fish]]);

export const completions = command({
  usage: "completions bash|zsh|fish",
  summary: "print the completion script of a shell",
  examples: {
    "source <(aim completions bash)": "for this bash; put the line into ~/.bashrc for all",
    "aim completions zsh > _aim": "for zsh: into a directory of $fpath",
    "aim completions fish > aim.fish": "for fish: into ~/.config/fish/completions",
  },
  run({ args, print }) {
    print(SCRIPTS.get(args[0] ?? "") ?? "");
  },
});
