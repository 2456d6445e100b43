import { isSecretName } from "../log/secret_names.ts";
import { type ConfigMap, type ConfigValue, isList, isMap, isNumberLiteral } from "../values/value.ts";

/** Arguments and variables that can be shown. */
export interface Shown {
  readonly args: ConfigMap;
  readonly env: Readonly<Record<string, string>>;
  /** What stands for hidden values: `$OPENAI_API_KEY`. */
  readonly references: ReadonlySet<string>;
}

/**
 * Arguments and variables with a reference to an environment variable instead of each secret. That of an
 * argument is named like it: `$API_KEY` for `api-key`.
 */
export function hideSecrets(args: ConfigMap, env: Readonly<Record<string, string>>): Shown {
  const references = new Set<string>();
  const refer = (name: string) => {
    const reference = `$${(name.split(".").at(-1) ?? name).replace(/\W/g, "_").toUpperCase()}`;
    references.add(reference);
    return reference;
  };
  return {
    args: hidden(args, refer),
    env: Object.fromEntries(
      Object.entries(env).map((
        [name, value],
      ) => [name, isSecretName(name) && value !== "" ? refer(name) : value]),
    ),
    references,
  };
}

/** Every secret among arguments and variables. */
export function secretsOf(args: ConfigMap, env: Readonly<Record<string, string>>): string[] {
  const secrets = Object.entries(env).filter(([name]) => isSecretName(name)).map(([, value]) => value);
  const collect = (value: ConfigValue, secret: boolean): void => {
    if (value === null || typeof value === "boolean") return;
    if (isMap(value)) value.forEach((item, name) => collect(item, secret || isSecretName(name)));
    else if (isList(value)) value.forEach((item) => collect(item, secret));
    else if (secret) secrets.push(isNumberLiteral(value) ? value.text : value);
    else if (typeof value === "string" && value.startsWith("{")) collectJson(value);
  };
  // JSON that was given as text.
  const collectJson = (text: string) =>
    secrets.push(...[...text.matchAll(SECRET_ENTRY)].map(([, , value = ""]) => value));
  collect(args, false);
  return secrets;
}

const SECRET_ENTRY =
  /("[^"]*(?:api[-_]?key|access[-_]?key|private[-_]?key|token|secret|passw(?:or)?d|passphrase|credentials?)"\s*:\s*")((?:\\.|[^"\\])*)(?=")/gi;

function hidden(map: ConfigMap, refer: (name: string) => string): ConfigMap {
  return new Map([...map].map(([name, value]) => [name, hiddenValue(name, value, refer)]));
}

function hiddenValue(name: string, value: ConfigValue, refer: (name: string) => string): ConfigValue {
  if (value === null || typeof value === "boolean") return value;
  if (isMap(value)) return hidden(value, refer);
  if (isSecretName(name)) return refer(name);
  if (isList(value)) return value.map((item) => hiddenValue("", item, refer));
  return typeof value === "string" && value.startsWith("{")
    ? value.replace(SECRET_ENTRY, (_, head: string) => head + refer(/"([^"]*)"/.exec(head)?.[1] ?? "SECRET"))
    : value;
}
