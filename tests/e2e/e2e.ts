import { CONTAINER_PROGRAMS, missingProgram } from "./contained.ts";

/**
 * A test of the built executable. It needs `AIM_E2E=1`, which `deno task test:e2e` sets, and root if it runs
 * containers. If it cannot run, its name says why.
 */
export async function e2e(
  name: string,
  { programs = [], containers = true }: { programs?: readonly string[]; containers?: boolean },
  test: (t: Deno.TestContext) => Promise<void>,
): Promise<void> {
  const missing = await whatIsMissing(programs, containers);
  if (missing === null) Deno.test(name, test);
  else Deno.test({ name: `${name} (skipped: ${missing})`, ignore: true, fn: test });
}

/** Why the test cannot run here; `null` if it can. */
async function whatIsMissing(programs: readonly string[], containers: boolean): Promise<string | null> {
  if (Deno.env.get("AIM_E2E") !== "1") return "run deno task test:e2e";
  if (containers && Deno.uid() !== 0) return "containers need root";
  const program = await missingProgram([
    ...containers ? [...CONTAINER_PROGRAMS, "debootstrap"] : [],
    ...programs,
  ]);
  if (program !== null) return `${program} is not installed`;
  if (!containers) return null;
  const { success } = await new Deno.Command("unshare", {
    args: ["--mount", "--pid", "--net", "--fork", "mount", "--make-rprivate", "/"],
    stderr: "null",
  }).output();
  return success ? null : "namespaces cannot be created here";
}
