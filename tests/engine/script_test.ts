import { assertEquals } from "@std/assert";
import { renderBashScript } from "../../src/engine/bash_script.ts";
import { checkProfile } from "../../src/profiles/check_profile.ts";

const HOSTILE = [
  "",
  "plain",
  "two words",
  "it's",
  "''",
  "'\\''",
  '"$(touch pwned)" `id` ${HOME} $HOME',
  "a\nb",
  "\n",
  "tab\there",
  "\\",
  "trailing\\",
  "!history !! !$",
  "*",
  "~",
  "~root/x",
  "{a,b}",
  "[a-z]?",
  "#comment",
  "a;b&c|d<e>f(g)",
  "-n",
  "--",
  "=x",
  "ümläut 😀",
  '{"a": "it\'s", "b": [1, 2.0]}',
  "\u0001\u007f\r",
  "\x1b]0;it's\x07 \\ \u009b2J \u202efdp.exe\n",
];

/** Runs a script whose program prints its arguments and variables X_*, each terminated by NUL. */
async function run(script: string): Promise<{ words: string[]; env: string[] }> {
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", script],
    env: { LC_ALL: "C.UTF-8" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const [words = "", env = ""] = new TextDecoder().decode(stdout).split("\0==\0");
  return { words: words.split("\0"), env: env.split("\0") };
}

Deno.test("bash restores every word and variable unchanged and expands nothing", async () => {
  const print = 'printf "%s\\0" "$@"; printf "==\\0"; for n in "${!X_@}"; do printf "%s\\0" "${!n}"; done';
  const env = Object.fromEntries(
    HOSTILE.map((value, index) => [`X_${String(index).padStart(2, "0")}`, value]),
  );
  const script = renderBashScript({ env, argv: ["bash", "-c", print, "bash", ...HOSTILE, "end"] });
  const { words, env: values } = await run(script);
  assertEquals(words, [...HOSTILE, "end"]);
  assertEquals(values.slice(0, -1), HOSTILE);
});

Deno.test("the script replaces the shell, so that signals reach the engine", async () => {
  const script = renderBashScript({ env: {}, argv: ["bash", "-c", 'echo "$PPID $$"'] });
  const child = new Deno.Command("bash", { args: ["-c", script], stdout: "piped" }).spawn();
  const { stdout } = await child.output();
  assertEquals(new TextDecoder().decode(stdout).trim(), `${Deno.pid} ${child.pid}`);
});

Deno.test("words without special characters are not quoted, so that users can search for --model", () => {
  const script = renderBashScript({
    env: { A: "1" },
    argv: ["python3", "-m", "x.y", "--model", "/cache/org/m-1.0"],
  });
  assertEquals(script, "#!/bin/bash\nexport A=1\nexec python3 -m x.y --model /cache/org/m-1.0\n");
});

Deno.test("a profile with a variable that a script cannot export is invalid", () => {
  const faults = (name: string, value: string) =>
    checkProfile(new Map([["env_vars", new Map([[name, value]])]])).filter(({ path }) =>
      path[0] === "env_vars"
    );
  for (const name of ["A-B", "A B", "1A", "", "A;rm -rf x", "A=B", "Ä"]) {
    assertEquals(faults(name, "x").length, 1, name);
  }
  assertEquals(faults("A", "\0").length, 1);
  assertEquals(faults("A_1", "x"), []);
});
