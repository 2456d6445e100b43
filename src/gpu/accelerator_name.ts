import { CPU_MODELS, epycOf } from "./cpu_models.ts";
import { GPU_MODELS, modelOf, UNKNOWN_MODEL } from "./device_models.ts";

/** All names of accelerators that profiles can be for. */
export const ACCELERATOR_NAMES: readonly string[] = [...Object.keys(GPU_MODELS), ...CPU_MODELS];

/** What an accelerator is, by its name. A name that is not known is a GPU's. */
export function typeOfAccelerator(name: string): "gpu" | "cpu" {
  return CPU_MODELS.includes(name) ? "cpu" : "gpu";
}

/**
 * The accelerator that a text names: `MI300X` itself in any case, in quotes, or as `AMD Instinct MI300X`,
 * `Radeon PRO W7900`, a PCI device id (`0x74a1`), an EPYC chip (`9654`, `EPYC 9654`). `null` if it is none
 * that is known.
 */
export function acceleratorName(text: string): string | null {
  // As nearly every profile has it.
  if (ACCELERATOR_NAMES.includes(text)) return text;
  const words = text.trim().replace(/^(["'])(.*)\1$/, "$2").toUpperCase().replace(MAKERS, " ").trim();
  if (/^0X[0-9A-F]{4}$/.test(words)) {
    const model = modelOf(words);
    return model === UNKNOWN_MODEL ? null : model;
  }
  const joined = words.replace(/[\s-]+/g, "");
  const name = ACCELERATOR_NAMES.find((one) => one === joined || one === words.replace(/[\s-]+/g, "_"));
  // Radeon cards have suffixes (RX 7900 XTX) that share an id and a name.
  const radeon = /^RX\d{4}/.exec(joined)?.[0];
  return name ?? epycOf(joined.replace(/^EPYC_?/, "")) ??
    (radeon !== undefined && radeon in GPU_MODELS ? radeon : null);
}

const MAKERS = /\b(?:AMD|INSTINCT|RADEON|PRO|AI|OAM)\b|\(R\)|\(TM\)|[®™]/g;
