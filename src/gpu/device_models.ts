/** PCI device ids of AMD GPUs (vendor 0x1002) and the names that profiles give them. Source: the PCI ID database and amdgpu's device table. */
export const DEVICE_MODELS: Readonly<Record<string, string>> = {
  "0x738c": "MI100",
  "0x738e": "MI100",
  "0x7408": "MI250X",
  "0x740c": "MI250X", // MI250/MI250X
  "0x740f": "MI210",
  "0x7410": "MI210", // MI210 VF
  "0x74a0": "MI300A",
  "0x74a1": "MI300X",
  "0x74a2": "MI308X",
  "0x74a5": "MI325X",
  "0x74a8": "MI308X", // MI308X HF
  "0x74a9": "MI300X", // MI300X HF
  "0x74b5": "MI300X", // MI300X VF
  "0x74b6": "MI308X",
  "0x74b9": "MI325X", // MI325X VF
  "0x74bd": "MI300X", // MI300X HF
  "0x75a0": "MI350X",
  "0x75a3": "MI355X",
  "0x75b0": "MI350X", // MI350X VF
  "0x75b3": "MI355X", // MI355X VF
  "0x7460": "V710",
  "0x7461": "V710", // Radeon Pro V710 MxGPU
  "0x7448": "W7900",
  "0x744a": "W7900", // W7900 Dual Slot
  "0x7449": "W7800", // W7800 48GB
  "0x745e": "W7800",
  "0x73a2": "W6900X",
  "0x73a3": "W6800", // W6800 GL-XL
  "0x73ab": "W6800X", // W6800X / W6800X Duo
  "0x73a1": "V620",
  "0x73ae": "V620", // Radeon Pro V620 MxGPU
  "0x7550": "RX9070", // RX 9070 / 9070 XT
  "0x744c": "RX7900", // RX 7900 XT / 7900 XTX / 7900 GRE / 7900M
  "0x73af": "RX6900",
  "0x73bf": "RX6800", // RX 6800 / 6800 XT / 6900 XT
};

/** What a GPU is called whose id is not in the table. */
export const UNKNOWN_MODEL = "UNKNOWN";

/** The model of a PCI device id, `0x74a1`. */
export function modelOf(deviceId: string | null): string {
  return (deviceId === null ? undefined : DEVICE_MODELS[deviceId]) ?? UNKNOWN_MODEL;
}
