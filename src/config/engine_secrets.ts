import { keepSecret } from "../log/redact.ts";
import { isSecretName } from "../log/secret_names.ts";

const SECRET = "(?:api[-_]?key|token|secret|password)";

/**
 * Registers what engine arguments have of keys and tokens (vLLM's `api-key`, say) at any depth, so that no
 * log shows it.
 */
export function keepEngineSecrets(engineArgs: string): void {
  const collect = (value: unknown, secret: boolean): void => {
    if (typeof value === "string" && secret) keepSecret(value);
    else if (typeof value === "string" && value.startsWith("{")) collect(parsed(value), false);
    else if (Array.isArray(value)) value.forEach((item) => collect(item, secret));
    else if (typeof value === "object" && value !== null) {
      for (const [name, item] of Object.entries(value)) collect(item, secret || isSecretName(name));
    }
  };
  collect(parsed(engineArgs), false);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The text of engine arguments, which need not be JSON, without the values of such names. */
export function withoutEngineSecrets(text: string): string {
  return text.replace(new RegExp(`(${SECRET}["']?\\s*[:=]\\s*)[^,}\\s]+`, "gi"), "$1***");
}
