import { command } from "../command.ts";
import bash from "../completions/aim.bash" with { type: "text" };
import fish from "../completions/aim.fish" with { type: "text" };
import zsh from "../completions/aim.zsh" with { type: "text" };

const SCRIPTS: ReadonlyMap<string, string> = new Map([["bash", bash], ["zsh", zsh], ["fish", fish]]);

export const completions = command({
  usage: "completions bash|zsh|fish",
  summary: "print a shell's completion script",
  examples: {
    "source <(aim completions bash)": "for the current bash; add the line to ~/.bashrc for every bash",
    "aim completions zsh > _aim": "for zsh; move the file to a directory of $fpath",
    "aim completions fish > aim.fish": "for fish; move the file to ~/.config/fish/completions",
  },
  run({ args, print }) {
    print(SCRIPTS.get(args[0] ?? "") ?? "");
  },
});
