import { AimError } from "../errors/aim_error.ts";
import { EXIT_CODES } from "../errors/exit_codes.ts";

const SIGNALS = { SIGINT: "interrupted", SIGTERM: "terminated" } as const;

/** Aborted by the first SIGINT or SIGTERM, with the error as its reason. The second ends the process. */
export function watchSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    const kind = SIGNALS[name];
    Deno.addSignalListener(name, () => {
      if (controller.signal.aborted) Deno.exit(EXIT_CODES[kind].code);
      controller.abort(new AimError(kind, `stopped by ${name}`));
    });
  }
  return controller.signal;
}
