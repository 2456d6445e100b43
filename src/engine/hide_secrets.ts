import { isSecretName } from "../log/redact.ts";
import { type ConfigMap, type ConfigValue, isList, isMap, isNumberLiteral } from "../values/value.ts";

export interface Shown {
  readonly args: ConfigMap;
  readonly env: Readonly<Record<string, string>>;
  /** The names that stand for hidden values: `$OPENAI_API_KEY`. */
  readonly references: ReadonlySet<string>;
  /** The hidden values. */
  readonly secrets: readonly string[];
}

/** Arguments and variables with a reference instead of each secret, by its name: `$API_KEY` for `api-key`. */
export function hideSecrets(args: ConfigMap, env: Readonly<Record<string, string>>): Shown {
  const references = new Set<string>();
  const secrets: string[] = [];
  const refer = (name: string) => {
    const reference = `$${(name.split(".").at(-1) ?? name).replace(/\W/g, "_").toUpperCase()}`;
    references.add(reference);
    return reference;
  };
  const hideIn = (map: ConfigMap, isSecret: boolean): ConfigMap =>
    new Map([...map].map(([name, value]) => [name, hide(name, value, isSecret || isSecretName(name))]));
  const hide = (name: string, value: ConfigValue, isSecret: boolean): ConfigValue => {
    if (value === null || value === "" || typeof value === "boolean") return value;
    if (isMap(value)) return hideIn(value, isSecret);
    if (isList(value)) {
      const items = value.map((item) => hide(name, item, isSecret));
      return isSecret ? refer(name) : items;
    }
    if (isSecret) {
      secrets.push(isNumberLiteral(value) ? value.text : value);
      return refer(name);
    }
    if (typeof value !== "string" || !value.startsWith("{")) return value;
    // JSON that was given as text.
    return value.replace(TEXT_ENTRY, (entry, head: string, key: string, text: string) => {
      if (!isSecretName(key)) return entry;
      secrets.push(text);
      return head + refer(key);
    });
  };
  const variables = [...hideIn(new Map(Object.entries(env)), false)];
  return {
    args: hideIn(args, false),
    env: Object.fromEntries(variables.map(([name, value]) => [name, String(value)])),
    references,
    secrets,
  };
}

/** `"key": "text`, in JSON. */
const TEXT_ENTRY = /("((?:\\.|[^"\\])*)"\s*:\s*")((?:\\.|[^"\\])*)(?=")/g;
