export { __internal_XetBlob } from "@huggingface/hub";
