/**
 * Names of GGUF file and tensor types that vLLM and its GGUF plugin accept after a model's name
 * (`is_valid_gguf_quant_type`), with the publishers' prefixes (`UD-Q4_K_XL`).
 */
const TYPE =
  "(?:(?:BF16|F16|F32|F64|I8|I16|I32|I64|Q[1458]_[01]|Q[234568]_K|IQ[1-4]_(?:XXS|XS|NL|S|M)|TQ[12]_0|NVFP4|MXFP4)(?:_(?:XXS|XS|XL|S|M|L))?|MXFP4_MOE)";
const NAME = new RegExp(`^(?:[A-Za-z0-9_+]+-)*${TYPE}$`);
/** Publishers also write types in lower case, and after a dot. */
const IN_FILE = new RegExp(`[-.]((?:UD-)?${TYPE})(?:-[^/]*)?\\.gguf$`, "i");
/** An image encoder, not a quantisation of the model. */
const PROJECTOR = /mmproj[^/]*$/i;
const WEIGHTS = /\.(?:gguf|safetensors|bin|pt|pth|ckpt|h5|msgpack|onnx|onnx_data)(?:\.index\.json)?$/;

/** True for the name of a GGUF quantisation, such as `Q4_K_M`. A branch of such a name needs `@`. */
export function isQuantisation(text: string): boolean {
  return NAME.test(text);
}

/** The quantisations among a model's files. */
export function quantisationsOf(paths: Iterable<string>): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    const [, type] = PROJECTOR.test(path) ? [] : IN_FILE.exec(path) ?? [];
    if (type !== undefined) found.add(type.toUpperCase());
  }
  return [...found].sort();
}

/**
 * The GGUF files of one quantisation, `*-QUANT.gguf` and `*-QUANT-*.gguf` in any folder. The first one is the
 * file for vLLM: the first shard of a set.
 */
export function ggufFiles(paths: Iterable<string>, quantisation: string): string[] {
  const file = new RegExp(`[-.]${RegExp.escape(quantisation)}(?:-[^/]*)?\\.gguf$`, "i");
  const dashes = (path: string) => path.split("-").length;
  return [...paths].filter((path) => file.test(path) && !PROJECTOR.test(path))
    .sort((a, b) => dashes(a) - dashes(b) || (a < b ? -1 : 1));
}

/** Returns a filter for the files of one quantisation: its GGUF files, and all files that are not weights. */
export function filesOfQuantisation(quantisation: string): (path: string) => boolean {
  return (path) => !WEIGHTS.test(path) || ggufFiles([path], quantisation).length > 0;
}

/** Words for a message: the model lacks this quantisation, but has those. */
export function withoutQuantisation(quantisation: string, paths: Iterable<string>): string {
  const there = quantisationsOf(paths);
  return `no GGUF files of ${quantisation} (${
    there.length === 0 ? "it has none" : `it has ${there.join(", ")}`
  })`;
}
