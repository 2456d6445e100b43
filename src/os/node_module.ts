/**
 * One of Node's modules, synchronously. An `import` would load it at every start of aim, which takes 5 to 20
 * ms.
 */
export const nodeModule: typeof process.getBuiltinModule = (name: string) =>
  globalThis.process.getBuiltinModule(name);
