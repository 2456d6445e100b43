import { AimError } from "../errors/aim_error.ts";

const SIGNALS = {
  SIGINT: { kind: "interrupted", code: 130 },
  SIGTERM: { kind: "terminated", code: 143 },
} as const;

/** Aborted by the first SIGINT or SIGTERM, with the error as its reason. The second ends the process. */
export function watchSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    const { kind, code } = SIGNALS[name];
    Deno.addSignalListener(name, () => {
      if (controller.signal.aborted) Deno.exit(code);
      controller.abort(new AimError(kind, `stopped by ${name}`));
    });
  }
  return controller.signal;
}
