// Waits for a signal as a command does, then takes as many milliseconds to end as the first argument says.
import { watchSignals } from "../../src/cli/watch_signals.ts";
import { reportError } from "../../src/cli/report_error.ts";

const signal = watchSignals();
console.log("ready");
const timer = setInterval(() => {}, 1000);
signal.addEventListener("abort", () => {
  const { line, code } = reportError(signal.reason, "text");
  console.log(line);
  clearInterval(timer);
  setTimeout(() => Deno.exit(code), Number(Deno.args[0]));
});
