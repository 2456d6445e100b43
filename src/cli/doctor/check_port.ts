import { type Check, check } from "./check.ts";

/** Whether the engine can listen on its port. */
export function checkPort(port: number): Check {
  try {
    Deno.listen({ port, hostname: "0.0.0.0" }).close();
    return check("port", "ok", `${port} is free`);
  } catch (error) {
    const why = error instanceof Deno.errors.AddrInUse
      ? "is in use by another process"
      : `cannot be used: ${error instanceof Error ? error.message : String(error)}`;
    return check("port", "failed", `${port} ${why}`, "end that process, or set AIM_PORT");
  }
}
