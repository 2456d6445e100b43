import type { NpmPackage } from "./sbom.ts";
import { runDeno } from "./run_deno.ts";

/**
 * The npm packages that `main.ts` imports directly or indirectly, and the `name@version` of the direct ones.
 */
export async function programPackages(
  source: string,
): Promise<{ packages: Record<string, NpmPackage>; direct: string[] }> {
  const ran = await runDeno(["info", "--quiet", "--frozen", "--json", "main.ts"], { cwd: source });
  if (ran.code !== 0) throw new Error(`deno info failed: ${ran.text}`);
  const info = JSON.parse(ran.text) as {
    npmPackages: Record<string, NpmPackage>;
    modules: { kind: string; npmPackage?: string }[];
  };
  const direct = [...new Set(info.modules.flatMap((module) => module.npmPackage ?? []))];
  // Deno lists all packages in the lock file, including those of tests.
  const packages: Record<string, NpmPackage> = {};
  const collect = (id: string): void => {
    const found = info.npmPackages[id];
    if (found === undefined || id in packages) return;
    packages[id] = found;
    found.dependencies.forEach(collect);
  };
  direct.forEach(collect);
  return { packages, direct };
}
