// The YAML library by name: a bundler follows names, while `import("yaml")` of a CommonJS package gives it one default.
export { isAlias, isMap, isNode, isScalar, isSeq, parseAllDocuments, visit } from "yaml";
