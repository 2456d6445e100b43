import type { Device, Gpu, GpuSource } from "./types.ts";

/**
 * Which devices this process can use, and why not the others. It must be able to open them; then
 * `ROCR_VISIBLE_DEVICES` (indices or `GPU-<uuid>`) filters, then `HIP_VISIBLE_DEVICES`, else
 * `CUDA_VISIBLE_DEVICES`: each picks from what is left, in its own order.
 *
 * Sources: ROCr's `amd_filter_device.cpp` (an empty value selects nothing; the first word that names no
 * device, or one named already, ends the list) and HIP's device initialisation (an empty value counts as
 * unset; the first bad index ends the list).
 */
export function applyVisibility(
  devices: readonly Device[],
  source: GpuSource,
  env: Readonly<Record<string, string | undefined>>,
): Gpu[] {
  const open = devices.filter((device) => device.hiddenBecause === null);
  const rocr = env.ROCR_VISIBLE_DEVICES;
  const byRocr = rocr === undefined ? open : pick(rocr, open);
  const name = env.HIP_VISIBLE_DEVICES ? "HIP_VISIBLE_DEVICES" : "CUDA_VISIBLE_DEVICES";
  const hip = env[name] || undefined;
  const byHip = hip === undefined ? byRocr : pick(hip, byRocr);
  return devices.map((device, index) => {
    const hipIndex = byRocr.indexOf(device);
    const [filter, value] = hipIndex === -1 ? ["ROCR_VISIBLE_DEVICES", rocr] : [name, hip];
    const visible = byHip.includes(device);
    return {
      index,
      hipIndex: hipIndex === -1 ? null : hipIndex,
      ...device,
      visible,
      hiddenBecause: visible ? null : device.hiddenBecause ?? `${filter} is "${value ?? ""}"`,
      source,
    };
  });
}

function pick(list: string, devices: readonly Device[]): Device[] {
  const picked: Device[] = [];
  for (const word of list.split(",").map((part) => part.trim())) {
    const device = /^\d+$/.test(word) ? devices[Number(word)] : byUuid(word, devices);
    if (device === undefined || picked.includes(device)) break;
    picked.push(device);
  }
  return picked;
}

/** A UUID may be shortened as long as it names one device. */
function byUuid(word: string, devices: readonly Device[]): Device | undefined {
  if (!/^GPU-[0-9a-f]+$/i.test(word)) return undefined;
  const found = devices.filter((device) => device.uuid?.toLowerCase().startsWith(word.toLowerCase()));
  return found.length === 1 ? found[0] : undefined;
}
