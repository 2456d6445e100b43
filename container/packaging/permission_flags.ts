/**
 * The permission set of `deno.json` as command line flags. `true` allows everything of a kind, a list its
 * entries.
 */
export function permissionFlags(denoJson: unknown): string[] {
  const set = field(field(denoJson, "permissions"), "default");
  if (set === null || typeof set !== "object") throw new Error('deno.json: no permission set "default"');
  return Object.entries(set).flatMap(([kind, allowed]: [string, unknown]) => {
    if (kind === "all") throw new Error("deno.json: the permission set allows everything");
    if (allowed === true) return [`--allow-${kind}`];
    if (allowed === false) return [];
    if (Array.isArray(allowed) && allowed.every((item) => typeof item === "string")) {
      return allowed.length === 0 ? [] : [`--allow-${kind}=${allowed.join(",")}`];
    }
    throw new Error(`deno.json: the permission "${kind}" is neither a boolean nor a list`);
  });
}

function field(value: unknown, name: string): unknown {
  return value !== null && typeof value === "object" ? (value as Record<string, unknown>)[name] : undefined;
}
