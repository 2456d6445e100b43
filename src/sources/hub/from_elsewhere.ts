import { AimError } from "../../errors/aim_error.ts";
import { TransientError } from "../source.ts";

/** A failure at an address that nobody typed says what led to it. */
export function fromElsewhere(error: unknown, url: URL, endpoint: string): unknown {
  const hub = new URL(endpoint);
  if (url.origin === hub.origin) return error;
  const led = (message: string) => `${hub.host} redirects to ${url.host}: ${message}`;
  if (error instanceof TransientError) {
    return new TransientError(led(error.message), { retryAfter: error.retryAfter, cause: error });
  }
  if (!(error instanceof AimError) || error.kind !== "network") return error;
  return new AimError("network", led(error.message), {
    hint: `let ${url.host} be reached, or set HF_ENDPOINT to a mirror that has the model itself`,
    cause: error,
  });
}
