/** Prefix with which the self-extracting executable hides the caller's variables from Deno. */
const SET_ASIDE = "_AIM_CALLERS_";

/**
 * The caller's environment, for the engine. If PATH has no `node`, the `deno` program prepends a directory
 * (`$DENO_DIR/node_compat_bin`) and sets a variable (deno, cli/node_compat_shim.rs). The self-extracting
 * executable sets variables for Deno, renames the caller's, and sets `_AIM_LAUNCHED`. This undoes both.
 */
export function callersEnvironment(env: Readonly<Record<string, string>>): Record<string, string> {
  const { DENO_NODE_SHIM_ACTIVE: _, ...own } = env._AIM_LAUNCHED === undefined ? env : unlaunched(env);
  const path = own.PATH?.split(":");
  return path?.[0]?.endsWith("/node_compat_bin") ? { ...own, PATH: path.slice(1).join(":") } : own;
}

function unlaunched(env: Readonly<Record<string, string>>): Record<string, string> {
  const own: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith(SET_ASIDE)) own[name.slice(SET_ASIDE.length)] = value;
    else if (name !== "_AIM_LAUNCHED" && !name.startsWith("DENO_")) own[name] = value;
  }
  return own;
}
