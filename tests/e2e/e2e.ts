import { CONTAINER_PROGRAMS, missingProgram } from "./contained.ts";
import { executable } from "./executable.ts";

/** What a test of the executable needs. */
interface Needs {
  readonly programs?: readonly string[];
  /** @default {true} */
  readonly containers?: boolean;
  /** Whether the test is about the self-extracting form alone. @default {false} */
  readonly selfExtracting?: boolean;
}

/**
 * A test of the built executable. It needs `AIM_E2E=1`, which `deno task test:e2e` sets, and root if it runs
 * containers. If it cannot run, its name says why.
 */
export async function e2e(
  name: string,
  needs: Needs,
  test: (t: Deno.TestContext) => Promise<void>,
): Promise<void> {
  const missing = await whatIsMissing(needs);
  if (missing === null) Deno.test(name, test);
  else Deno.test({ name: `${name} (skipped: ${missing})`, ignore: true, fn: test });
}

/** Why the test cannot run here; `null` if it can. */
async function whatIsMissing(
  { programs = [], containers = true, selfExtracting = false }: Needs,
): Promise<string | null> {
  if (Deno.env.get("AIM_E2E") !== "1") return "run deno task test:e2e";
  if (selfExtracting && !await isSelfExtracting(await executable())) return "dist/aim has the compiled form";
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

async function isSelfExtracting(path: string): Promise<boolean> {
  using file = await Deno.open(path);
  const start = new Uint8Array(2);
  await file.read(start);
  return new TextDecoder().decode(start) === "#!";
}
