/**
 * The environment as the caller gave it. Where there is no `node` on PATH, Deno's command line puts a directory of its own
 * (`$DENO_DIR/node_compat_bin`) in front and marks that in a variable (deno, cli/node_compat_shim.rs); the engine is to see neither.
 */
export function callersEnvironment(env: Readonly<Record<string, string>>): Record<string, string> {
  const { DENO_NODE_SHIM_ACTIVE: _, ...own } = env;
  const path = own.PATH?.split(":");
  return path?.[0]?.endsWith("/node_compat_bin") ? { ...own, PATH: path.slice(1).join(":") } : own;
}
