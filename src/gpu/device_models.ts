/** A model of GPU: the PCI device ids that it has (vendor 0x1002), and its memory. */
interface GpuModel {
  readonly ids: readonly string[];
  /**
   * GiB that ROCm shows for one device: of an MI250X that is one of its two dies; of several variants the
   * smallest.
   */
  readonly vram: number;
  readonly family: "instinct" | "radeon";
}

/**
 * GPUs by the names that profiles give them. Ids: the PCI ID database and amdgpu's device table. Memory:
 * AMD's data sheets.
 */
export const GPU_MODELS: Readonly<Record<string, GpuModel>> = {
  MI100: { ids: ["738c", "738e"], vram: 32, family: "instinct" },
  MI210: { ids: ["740f", "7410"], vram: 64, family: "instinct" },
  MI250X: { ids: ["7408", "740c"], vram: 64, family: "instinct" },
  MI300A: { ids: ["74a0"], vram: 128, family: "instinct" },
  MI300X: { ids: ["74a1", "74a9", "74b5", "74bd"], vram: 192, family: "instinct" },
  MI308X: { ids: ["74a2", "74a8", "74b6"], vram: 192, family: "instinct" },
  MI325X: { ids: ["74a5", "74b9"], vram: 256, family: "instinct" },
  MI350X: { ids: ["75a0", "75b0"], vram: 288, family: "instinct" },
  MI355X: { ids: ["75a3", "75b3"], vram: 288, family: "instinct" },
  MI350P: { ids: ["75a8"], vram: 144, family: "instinct" },
  R9700: { ids: ["7551"], vram: 32, family: "radeon" },
  RX9070: { ids: ["7550"], vram: 16, family: "radeon" },
  W7900: { ids: ["7448", "744a", "744b"], vram: 48, family: "radeon" },
  W7800: { ids: ["7449", "745e"], vram: 32, family: "radeon" },
  RX7900: { ids: ["744c"], vram: 16, family: "radeon" },
  V710: { ids: ["7460", "7461"], vram: 28, family: "radeon" },
  V620: { ids: ["73a1", "73ae"], vram: 32, family: "radeon" },
  W6900X: { ids: ["73a2"], vram: 32, family: "radeon" },
  W6800: { ids: ["73a3"], vram: 32, family: "radeon" },
  W6800X: { ids: ["73ab"], vram: 32, family: "radeon" },
  RX6900: { ids: ["73af"], vram: 16, family: "radeon" },
  RX6800: { ids: ["73bf"], vram: 16, family: "radeon" },
};

/** What a GPU is called whose id is not in the table. */
export const UNKNOWN_MODEL = "UNKNOWN";

const BY_ID = new Map(Object.entries(GPU_MODELS).flatMap(([name, { ids }]) => ids.map((id) => [id, name])));

/** The model of a PCI device id, `0x74a1`. */
export function modelOf(deviceId: string | null): string {
  return BY_ID.get(deviceId?.toLowerCase().replace(/^0x/, "") ?? "") ?? UNKNOWN_MODEL;
}

/** Bytes of memory that one device of a model has, `null` if the model is unknown or not a GPU. */
export function vramBytesOf(model: string): number | null {
  const gpu = GPU_MODELS[model];
  return gpu === undefined ? null : gpu.vram * 2 ** 30;
}
