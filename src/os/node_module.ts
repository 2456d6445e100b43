/**
 * Loads one of Node's modules synchronously, on demand. An `import` would add 5 to 20 ms to every start of
 * aim.
 */
export const nodeModule: typeof process.getBuiltinModule = (name: string) =>
  globalThis.process.getBuiltinModule(name);
