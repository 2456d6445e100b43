import { join } from "@std/path";

/** A module that is bundled into a separate file because it is loaded by a computed path. */
export interface ModuleApart {
  /** Path relative to the source tree. */
  readonly path: string;
  /** File name without `.js`. */
  readonly name: string;
  readonly kind: "thread" | "library";
}

/** The worker threads (`src/…/NAME_worker.ts`) and npm libraries (`src/libraries/NAME.ts`). */
export function modulesApart(source: string): ModuleApart[] {
  const libraries = [...Deno.readDirSync(join(source, "src/libraries"))]
    .filter(({ name }) => name !== "load_library.ts")
    .map(({ name }) => apart(`src/libraries/${name}`, "library"));
  const threads = [...filesBelow(source, "src")].filter((path) => path.endsWith("_worker.ts"))
    .map((path) => apart(path, "thread"));
  return [...libraries, ...threads].sort((a, b) => a.path < b.path ? -1 : 1);
}

function apart(path: string, kind: ModuleApart["kind"]): ModuleApart {
  return { path, name: path.slice(path.lastIndexOf("/") + 1, -".ts".length), kind };
}

function* filesBelow(root: string, folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(join(root, folder))) {
    if (isDirectory) yield* filesBelow(root, `${folder}/${name}`);
    else yield `${folder}/${name}`;
  }
}
