/** A value from YAML or JSON. Numbers keep their spelling: on a command line `2.0` is not `2`. */
export type ConfigValue =
  | null
  | boolean
  | string
  | NumberLiteral
  | readonly ConfigValue[]
  | ConfigMap;

/** A mapping in the order in which it was written. */
export type ConfigMap = ReadonlyMap<string, ConfigValue>;

export interface NumberLiteral {
  readonly value: number;
  readonly text: string;
}

/** A number with its spelling, by default JavaScript's. */
export function numberLiteral(value: number, text: string = String(value)): NumberLiteral {
  return { value, text };
}

export function isNumberLiteral(value: ConfigValue | undefined): value is NumberLiteral {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Map);
}

export function isList(value: ConfigValue | undefined): value is readonly ConfigValue[] {
  return Array.isArray(value);
}

export function isMap(value: ConfigValue | undefined): value is ConfigMap {
  return value instanceof Map;
}
