import { fromFileUrl, join } from "@std/path";

/**
 * The folder of AMD's published profiles, in `AIM_TEST_REFERENCE` or next to the repository; `null` if
 * missing.
 */
export function referenceProfiles(generation: "0.9" | "2026" = "0.9"): string | null {
  const root = Deno.env.get("AIM_TEST_REFERENCE") ??
    fromFileUrl(new URL("../../../shared/reference", import.meta.url));
  const path = join(root, `aim-profiles-${generation}`);
  try {
    return Deno.statSync(path).isDirectory ? path : null;
  } catch {
    return null;
  }
}

/** Every `org/model` with its own profiles there, including those in `custom/`. */
export function referenceModels(root: string): string[] {
  const models = (below: string) =>
    [...Deno.readDirSync(join(root, below))]
      .filter((org) => org.isDirectory && !["custom", "general"].includes(org.name))
      .flatMap((org) =>
        [...Deno.readDirSync(join(root, below, org.name))].map((model) => `${org.name}/${model.name}`)
      );
  const custom = [...Deno.readDirSync(root)].some((entry) => entry.name === "custom");
  return [...new Set([...models("."), ...(custom ? models("custom") : [])])].sort();
}
