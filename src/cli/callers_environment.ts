/** What the self-extracting executable puts before the name of a variable that is not for Deno to see (container/packaging). */
const SET_ASIDE = "_AIM_CALLERS_";

/**
 * The environment as the caller gave it.
 *
 * Where there is no `node` on PATH, Deno's command line puts a directory of its own (`$DENO_DIR/node_compat_bin`) in front and
 * marks that in a variable (deno, cli/node_compat_shim.rs). The self-extracting executable sets variables for Deno, marks that with
 * `_AIM_LAUNCHED` and renames the caller's own. The engine is to see none of this.
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
