/** A GPU model. Its PCI vendor id is 0x1002. */
interface GpuModel {
  readonly ids: readonly string[];
  /** GiB of one device: one of an MI250X's two dies, the smallest of several variants. */
  readonly vram: number;
  /** LLVM's name of the architecture, if AMD's images have kernels for it. */
  readonly gfx?: string;
}

/** GPUs by name. Ids: the PCI ID database and amdgpu's device table. Memory: AMD's data sheets. */
const GPU_MODELS: Readonly<Record<string, GpuModel>> = {
  MI100: { ids: ["738c", "738e"], vram: 32, gfx: "gfx908" },
  MI210: { ids: ["740f", "7410"], vram: 64, gfx: "gfx90a" },
  MI250X: { ids: ["7408", "740c"], vram: 64, gfx: "gfx90a" },
  MI300A: { ids: ["74a0"], vram: 128, gfx: "gfx942" },
  MI300X: { ids: ["74a1", "74a9", "74b5", "74bd"], vram: 192, gfx: "gfx942" },
  MI308X: { ids: ["74a2", "74a8", "74b6"], vram: 192, gfx: "gfx942" },
  MI325X: { ids: ["74a5", "74b9"], vram: 256, gfx: "gfx942" },
  MI350X: { ids: ["75a0", "75b0"], vram: 288, gfx: "gfx950" },
  MI355X: { ids: ["75a3", "75b3"], vram: 288, gfx: "gfx950" },
  MI350P: { ids: ["75a8"], vram: 144 },
  R9700: { ids: ["7551"], vram: 32, gfx: "gfx1201" },
  RX9070: { ids: ["7550"], vram: 16 },
  W7900: { ids: ["7448", "744a", "744b"], vram: 48, gfx: "gfx1100" },
  W7800: { ids: ["7449", "745e"], vram: 32, gfx: "gfx1100" },
  RX7900: { ids: ["744c"], vram: 16 },
  V710: { ids: ["7460", "7461"], vram: 28 },
  V620: { ids: ["73a1", "73ae"], vram: 32 },
  W6900X: { ids: ["73a2"], vram: 32 },
  W6800: { ids: ["73a3"], vram: 32 },
  W6800X: { ids: ["73ab"], vram: 32 },
  RX6900: { ids: ["73af"], vram: 16 },
  RX6800: { ids: ["73bf"], vram: 16 },
};

/** Processors by their names in profiles, each with its chip numbers. */
const EPYC_CHIPS: Readonly<Record<string, string>> = {
  EPYC_9965: "9965",
  EPYC_ZEN5:
    "9845 9825 9755 9745 9655P 9655 9645 9575F 9565 9555P 9555 9375F 9365 9355P 9355 9335 9275F 9255 9175F 9135 " +
    "9115 9015",
  EPYC_ZEN4:
    "9754 9754S 9734 9654 9654P 9634 9554 9554P 9534 9454 9454P 9354 9354P 9334 9254 9224 9124 9684X 9384X 9184X " +
    "9474F 9374F 9274F 9174F 9J14",
};

/** The name of a GPU whose id is not in the table. */
export const UNKNOWN_MODEL = "UNKNOWN";
/** Any other processor. */
export const GENERIC_CPU = "CPU";

const CPU_MODELS: readonly string[] = [...Object.keys(EPYC_CHIPS), GENERIC_CPU];

export const ACCELERATOR_NAMES: readonly string[] = [...Object.keys(GPU_MODELS), ...CPU_MODELS];

const BY_ID = new Map(Object.entries(GPU_MODELS).flatMap(([name, { ids }]) => ids.map((id) => [id, name])));
const BY_CHIP = new Map(
  Object.entries(EPYC_CHIPS).flatMap(([name, chips]) => chips.split(" ").map((chip) => [chip, name])),
);

/** The model of a PCI device id, `0x74a1`. */
export function modelOf(deviceId: string | null): string {
  return BY_ID.get(deviceId?.toLowerCase().replace(/^0x/, "") ?? "") ?? UNKNOWN_MODEL;
}

/** A GPU's UUID by its unique id in hexadecimal; `null` for 0. */
export function uuidOf(id: string): string | null {
  const digits = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(id)?.[1] ?? "";
  return /^0*$/.test(digits) ? null : `GPU-${digits.toLowerCase().padStart(16, "0")}`;
}

/** The name of a chip by its number, `9654P`; `null` for a chip without one. */
export function epycOf(chip: string): string | null {
  return BY_CHIP.get(chip.toUpperCase()) ?? null;
}

/** Bytes of memory of one device; `null` if the model is unknown or not a GPU. */
export function vramBytesOf(model: string): number | null {
  const gpu = GPU_MODELS[model];
  return gpu === undefined ? null : gpu.vram * 2 ** 30;
}

/** A GPU's architecture, `gfx942`; `null` if AMD's images have no kernels for it. */
export function architectureOf(model: string): string | null {
  return GPU_MODELS[model]?.gfx ?? null;
}

/** The kind of an accelerator, by its name. An unknown name is a GPU's. */
export function typeOfAccelerator(name: string): "gpu" | "cpu" {
  return CPU_MODELS.includes(name) ? "cpu" : "gpu";
}

/**
 * The accelerator that a text names, `null` if none: `MI300X` in any case, in quotes, or as `AMD Instinct
 * MI300X`, `Radeon PRO W7900`, a PCI device id (`0x74a1`), an EPYC chip (`9654`, `EPYC 9654`).
 */
export function acceleratorName(text: string): string | null {
  // Nearly every profile uses the exact name.
  if (ACCELERATOR_NAMES.includes(text)) return text;
  const words = text.trim().replace(/^(["'])(.*)\1$/, "$2").toUpperCase().replace(MAKERS, " ").trim();
  if (/^0X[0-9A-F]{4}$/.test(words)) return BY_ID.get(words.slice(2).toLowerCase()) ?? null;
  const joined = words.replace(/[\s-]+/g, "");
  const name = ACCELERATOR_NAMES.find((one) => one === joined || one === words.replace(/[\s-]+/g, "_"));
  // Radeon cards have suffixes (RX 7900 XTX) that share an id and a name.
  const radeon = /^RX\d{4}/.exec(joined)?.[0];
  return name ?? epycOf(joined.replace(/^EPYC_?/, "")) ??
    (radeon !== undefined && radeon in GPU_MODELS ? radeon : null);
}

const MAKERS = /\b(?:AMD|INSTINCT|RADEON|PRO|AI|OAM)\b|\(R\)|\(TM\)|[®™]/g;
