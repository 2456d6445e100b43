import { keepSecret } from "../log/redact.ts";

const SECRET = "(?:api[-_]?key|token|secret|password)";

/**
 * Registers what engine arguments hold of keys and tokens (vLLM's `api-key`, say), so that no log shows it.
 */
export function keepEngineSecrets(engineArgs: string): void {
  const args: unknown = JSON.parse(engineArgs);
  for (const [name, value] of Object.entries(args ?? {})) {
    if (!new RegExp(`${SECRET}$`, "i").test(name)) continue;
    for (const secret of [value].flat()) if (typeof secret === "string") keepSecret(secret);
  }
}

/** The text of engine arguments, which need not be JSON, without the values of such names. */
export function withoutEngineSecrets(text: string): string {
  return text.replace(new RegExp(`(${SECRET}["']?\\s*[:=]\\s*)[^,}\\s]+`, "gi"), "$1***");
}
