interface NodeModules {
  "node:crypto": typeof import("node:crypto");
  "node:fs/promises": typeof import("node:fs/promises");
  "node:https": typeof import("node:https");
  "node:net": typeof import("node:net");
  "node:os": typeof import("node:os");
  "node:stream": typeof import("node:stream");
  "node:zlib": typeof import("node:zlib");
}

/** One of Node's modules, synchronously. An `import` would load it at every start of aim, which takes 5 to 20 ms. */
export function nodeModule<Name extends keyof NodeModules>(name: Name): NodeModules[Name] {
  return globalThis.process.getBuiltinModule(name) as NodeModules[Name];
}
