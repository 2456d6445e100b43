import { join } from "@std/path";
import { type AnyNode, parse } from "acorn";

/**
 * What the modules of a folder take from each other by `import("./NAME.js")`: names by file, for every module
 * file there. Deno checks the names of static imports itself when it loads a module.
 */
export function namesTaken(folder: string): Record<string, string[]> {
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".js"));
  const taken = new Map(files.sort().map((name) => [name, new Set<string>()]));
  for (const name of files) {
    const text = Deno.readTextFileSync(join(folder, name));
    const program = parse(text, { ecmaVersion: "latest", sourceType: "module" });
    visit(program, (node, parent) => {
      if (node.type !== "AwaitExpression" || node.argument.type !== "ImportExpression") return;
      const { source } = node.argument;
      if (source.type !== "Literal" || typeof source.value !== "string" || !source.value.startsWith("./")) {
        return;
      }
      const names = taken.get(source.value.slice(2));
      if (names === undefined) throw new Error(`${name} imports ${source.value}, which is not in the bundle`);
      for (const one of takenBy(parent, node)) names.add(one);
    });
  }
  return Object.fromEntries([...taken].map(([name, names]) => [name, [...names].sort()]));
}

/** The names in `(await import(…)).name` and `const { name } = await import(…)`. */
function takenBy(parent: AnyNode | null, node: AnyNode): string[] {
  if (parent?.type === "MemberExpression" && parent.object === node && !parent.computed) {
    return parent.property.type === "Identifier" ? [parent.property.name] : [];
  }
  if (parent?.type !== "VariableDeclarator" || parent.id.type !== "ObjectPattern") return [];
  return parent.id.properties.flatMap((property) =>
    property.type === "Property" && property.key.type === "Identifier" ? [property.key.name] : []
  );
}

function visit(
  node: AnyNode,
  each: (node: AnyNode, parent: AnyNode | null) => void,
  parent: AnyNode | null = null,
): void {
  each(node, parent);
  for (const value of Object.values(node)) {
    for (const child of [value].flat()) if (isNode(child)) visit(child, each, node);
  }
}

function isNode(value: unknown): value is AnyNode {
  return value !== null && typeof value === "object" && "type" in value && typeof value.type === "string";
}
