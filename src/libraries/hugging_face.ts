export { __internal_XetBlob, listFiles, modelInfo } from "@huggingface/hub";
