import { type ConfigMap, type ConfigValue, isList, isMap, isNumberLiteral } from "../values/value.ts";
import { type SchemaFault, schemaFaults } from "./schema_fault.ts";
import { vllmArgs } from "./validators.generated.js";

/**
 * Holds engine arguments to the schema of vLLM's. Names are taken with `_` and `-` alike.
 *
 * @returns All faults, in the order of the arguments; none where they are valid.
 */
export function checkSchema(args: ConfigMap): SchemaFault[] {
  return rounds(args).flatMap((round) => {
    const plain = plainMap(new Map([...round].map(([name, [, value]]) => [name, value])));
    if (vllmArgs(plain)) return [];
    return schemaFaults(vllmArgs.errors ?? [], plain).map(({ path: [name, ...rest], atKey, reason }) => {
      const spelled = round.get(String(name))?.[0] ?? String(name);
      return { path: [spelled, ...rest], atKey, reason: reason.replace(String(name), () => spelled) };
    });
  });
}

/** Arguments by canonical name, with their own spelling. One in both spellings is two: the second comes in a round of its own. */
function rounds(args: ConfigMap): Map<string, [string, ConfigValue]>[] {
  const found: Map<string, [string, ConfigValue]>[] = [];
  for (const [name, value] of args) {
    const canonical = name.replaceAll("_", "-");
    let round = found.find((one) => !one.has(canonical));
    if (round === undefined) found.push(round = new Map());
    round.set(canonical, [name, value]);
  }
  return found;
}

/** A mapping in JSON's own types. */
export function plainMap(map: ConfigMap): Record<string, unknown> {
  const plain: Record<string, unknown> = Object.create(null);
  for (const [key, value] of map) plain[key] = plainValue(value);
  return plain;
}

function plainValue(value: ConfigValue): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isNumberLiteral(value)) return value.value;
  if (isList(value)) return value.map(plainValue);
  return isMap(value) ? plainMap(value) : null;
}
