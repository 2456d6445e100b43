export { isAlias, isMap, isNode, isScalar, isSeq, parseAllDocuments, visit } from "yaml";
