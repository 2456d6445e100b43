import { fromFileUrl, join } from "@std/path";

/** The published profiles to test against, where they are to be had: `AIM_TEST_REFERENCE`, else beside the repository. */
export function referenceProfiles(): string | null {
  const root = Deno.env.get("AIM_TEST_REFERENCE") ??
    fromFileUrl(new URL("../../../shared/reference", import.meta.url));
  const path = join(root, "aim-profiles-0.9");
  try {
    return Deno.statSync(path).isDirectory ? path : null;
  } catch {
    return null;
  }
}

/** Every `org/model` that has profiles of its own there, in `custom/` too. */
export function referenceModels(root: string): string[] {
  const models = (below: string) =>
    [...Deno.readDirSync(join(root, below))]
      .filter((org) => org.isDirectory && !["custom", "general"].includes(org.name))
      .flatMap((org) =>
        [...Deno.readDirSync(join(root, below, org.name))].map((model) => `${org.name}/${model.name}`)
      );
  return [...new Set([...models("."), ...models("custom")])].sort();
}
