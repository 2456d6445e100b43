// The YAML library by name: a bundler can follow these names, where `import("yaml")` of a CommonJS package gives it one default.
export { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit } from "yaml";
