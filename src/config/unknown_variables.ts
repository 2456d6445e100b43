import { ALSO_HONOURED } from "./also_honoured.ts";
import { nearest } from "./nearest.ts";
import { type Setting, SETTINGS } from "./settings.ts";

/** Every variable that aim or a library of its reads; those with `*` are patterns. */
export const KNOWN_VARIABLES: ReadonlySet<string> = new Set([
  ...Object.values<Setting>(SETTINGS).flatMap((setting) => setting.env),
  ...Object.keys(ALSO_HONOURED).flatMap((names) => names.split(", ")),
]);

// Kubernetes describes a service called "aim" or "aim-llama" in variables of its own.
const SERVICE_LINK = /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_|$)|$)/;

/** A line for each `AIM_` variable that nothing reads and that is a slip of one that is read. */
export function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const own = [...KNOWN_VARIABLES].filter((name) => name.startsWith("AIM_"));
  const patterns = own.filter((name) => name.includes("*")).map((name) =>
    new RegExp(`^${name.replace("*", "\\w+")}$`)
  );
  return Object.keys(env).filter((name) =>
    name.startsWith("AIM_") && !KNOWN_VARIABLES.has(name) && !patterns.some((pattern) =>
      pattern.test(name)
    ) &&
    !(SERVICE_LINK.test(name) && name !== "AIM_PORT")
  ).flatMap((name) => {
    const near = nearest(name, own);
    return near === null ? [] : [`${name} is not a variable that aim reads; did you mean ${near}?`];
  });
}
