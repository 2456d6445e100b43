// For exec_test.ts: becomes the program that its first argument describes. With `watched` it watches signals
// first, as `serve` does.
import { watchSignals } from "../../src/cli/watch_signals.ts";
import { AimError } from "../../src/errors/aim_error.ts";
import { replaceProcess } from "../../src/engine/exec.ts";

try {
  const { path, argv, env } = JSON.parse(Deno.args[0] ?? "");
  if (Deno.args[1] === "watched") watchSignals();
  Deno.exit(await replaceProcess(path, argv, env));
} catch (error) {
  if (!(error instanceof AimError)) throw error;
  console.error(error.line);
  Deno.exit(error.exitCode);
}
