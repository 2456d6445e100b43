import type { Check } from "./check.ts";

/** Whether the engine will be able to listen on its port. */
export function checkPort(port: number): Check {
  const name = "port";
  try {
    Deno.listen({ port, hostname: "0.0.0.0" }).close();
    return { name, state: "ok", found: `${port} is free` };
  } catch (error) {
    const why = error instanceof Deno.errors.AddrInUse
      ? "is in use by another process"
      : `cannot be used: ${error instanceof Error ? error.message : String(error)}`;
    return { name, state: "failed", found: `${port} ${why}`, todo: "end that process, or set AIM_PORT" };
  }
}
