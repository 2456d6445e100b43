import type { KernelFiles } from "../os/kernel_files.ts";
import { modelOf, uuidOf } from "./accelerators.ts";
import type { Device, Devices } from "./types.ts";

/**
 * GPUs from the KFD topology joined with DRM by the render minor. KFD is what ROCm enumerates, so its order
 * counts; DRM reports use, load and partition modes, and which GPUs of the host this container may not see.
 * Never throws; unreadable files are warned about.
 *
 * Sources: the kernel's `drivers/gpu/drm/amd/amdkfd/kfd_topology.c` (names, decimal values, `location_id`,
 * -EPERM outside the device cgroup) and `Documentation/gpu/amdgpu` (DRM attributes).
 */
export function readSysfs(files: KernelFiles, sys: string, dev: string): Devices {
  const warnings: string[] = [];
  const nodes = readNodes(files, `${sys}/class/kfd/kfd/topology/nodes`, warnings);
  const cards = readCards(files, `${sys}/class/drm`, warnings);
  const kfd = openFault(files, dev, "kfd");
  const device = (entry: Entry, card: Entry | undefined, siblings: readonly Entry[]): Device => {
    const name = entry.minor > 0 ? `dri/renderD${entry.minor}` : null;
    const hiddenBecause = kfd ?? (name === null ? "it has no render node" : openFault(files, dev, name));
    return { ...describe(entry, card, siblings), renderNode: name && `${dev}/${name}`, hiddenBecause };
  };
  const ofNodes = nodes.map((node) => {
    const slot = slotOf(node);
    const isSame = (other: Entry) => slot !== null && slotOf(other) === slot;
    const card = cards.find(({ minor }) => minor === node.minor) ?? cards.find(isSame);
    return device(node, card, nodes.filter((other) => other === node || isSame(other)));
  });
  const ofCards = cards.filter((card) =>
    !nodes.some((node) => node.minor === card.minor || node.pciAddress === card.pciAddress)
  ).map((card): Device => ({
    ...device(card, card, []),
    // GPUs of the host that the device cgroup hides from this container.
    ...(nodes.length > 0 ? { hiddenBecause: "ROCm does not see it in this container (no KFD node)" } : {}),
  }));
  const devices = [...ofNodes, ...ofCards];
  return { devices, warnings, reason: devices.length > 0 ? null : nothingFound(files, sys) };
}

/** What KFD reports about a GPU or one of its partitions, or DRM about a complete GPU; memory in bytes. */
interface Entry
  extends Pick<Device, "deviceId" | "pciAddress" | "uuid" | "vramTotal" | "vramUsed" | "busyPercent"> {
  /** Of the render node; 0 if there is none. */
  readonly minor: number;
  readonly computeMode: string | null;
  readonly memoryMode: string | null;
}

const AMD = 0x1002;

function readNodes(files: KernelFiles, folder: string, warnings: string[]): Entry[] {
  return numbersIn(files, folder, /^(\d+)$/, warnings).flatMap((number) => {
    const path = `${folder}/${number}`;
    const gpuId = files.text(`${path}/gpu_id`);
    // Outside the device cgroup the kernel refuses both files; such a GPU is found by its render node.
    if (gpuId.kind === "failed" || (gpuId.kind === "ok" && integer(gpuId.value) === 0)) return [];
    const text = files.text(`${path}/properties`);
    if (text.kind !== "ok") {
      if (gpuId.kind === "ok") warnings.push(`${path}/properties cannot be read: ${text.reason}`);
      return [];
    }
    const properties = parseProperties(text.value);
    // Without gpu_id, a node with SIMDs is a GPU.
    if (gpuId.kind === "absent" && !properties.get("simd_count")) return [];
    if ((properties.get("vendor_id") ?? AMD) !== AMD) return [];
    // It exceeds a double's precision.
    const unique = /^\s*unique_id[ \t]+(\d+)\s*$/m.exec(text.value)?.[1] ?? "0";
    return [{
      minor: properties.get("drm_render_minor") ?? 0,
      deviceId: idOf(properties.get("device_id")),
      pciAddress: pciOf(properties),
      uuid: uuidOf(BigInt(unique).toString(16)),
      vramTotal: readMemory(files, path) ?? (properties.get("local_mem_size") || null),
      ...{ vramUsed: null, busyPercent: null, computeMode: null, memoryMode: null },
    }];
  });
}

/** Bytes; `null` if no bank can be read. */
function readMemory(files: KernelFiles, node: string): number | null {
  const banks = files.list(`${node}/mem_banks`);
  let sum = 0;
  for (const bank of banks.kind === "ok" ? banks.value : []) {
    const values = parseProperties(textIn(files, `${node}/mem_banks/${bank}/properties`) ?? "");
    // HSA_MEM_HEAP_TYPE_FB_PUBLIC and _PRIVATE; 0 is system memory, others are apertures.
    const heap = values.get("heap_type");
    if (heap === 1 || heap === 2) sum += values.get("size_in_bytes") ?? 0;
  }
  return sum || null;
}

function readCards(files: KernelFiles, folder: string, warnings: string[]): Entry[] {
  return numbersIn(files, folder, /^renderD(\d+)$/, warnings).flatMap((minor) => {
    const device = `${folder}/renderD${minor}/device`;
    const vendor = files.text(`${device}/vendor`);
    if (vendor.kind === "failed") warnings.push(`${device}/vendor cannot be read: ${vendor.reason}`);
    // A partition's render node belongs to a platform device without PCI attributes: KFD reports it.
    if (vendor.kind !== "ok" || integer(vendor.value) !== AMD) return [];
    const word = (name: string): string | null => {
      const text = textIn(files, `${device}/${name}`) ?? "";
      // Drivers without partitions report UNKNOWN or N/A.
      return /^(?:|unknown|n\/?a|none)$/i.test(text) ? null : text;
    };
    const number = (name: string) => integer(word(name) ?? "");
    const slot = /^PCI_SLOT_NAME=(\S+)$/m.exec(word("uevent") ?? "")?.[1];
    const busy = [number("gpu_busy_percent"), number("mem_busy_percent")].filter((value) => value !== null);
    return [{
      minor,
      deviceId: idOf(number("device")),
      pciAddress: slot?.toLowerCase() ?? null,
      uuid: uuidOf(word("unique_id") ?? ""),
      vramTotal: number("mem_info_vram_total"),
      vramUsed: number("mem_info_vram_used"),
      busyPercent: busy.length === 0 ? null : Math.max(...busy),
      computeMode: word("current_compute_partition")?.toUpperCase() ?? null,
      memoryMode: word("current_memory_partition"),
    }];
  });
}

function numbersIn(files: KernelFiles, folder: string, pattern: RegExp, warnings: string[]): number[] {
  const names = files.list(folder);
  if (names.kind === "failed") warnings.push(`${folder} cannot be read: ${names.reason}`);
  if (names.kind !== "ok") return [];
  return names.value.flatMap((name) => pattern.exec(name)?.[1] ?? []).map(Number).sort((a, b) => a - b);
}

function textIn(files: KernelFiles, path: string): string | null {
  const text = files.text(path);
  return text.kind === "ok" ? text.value.trim() : null;
}

/** `location_id`: bus, device and function in 16 bits; a node's number is in bits 28 to 31. */
function pciOf(properties: ReadonlyMap<string, number>): string | null {
  const location = properties.get("location_id");
  if (location === undefined) return null;
  const [domain, at] = [properties.get("domain") ?? 0, location & 0xffff];
  const part = (value: number, width: number) => value.toString(16).padStart(width, "0");
  return `${part(domain, 4)}:${part(at >> 8, 2)}:${part((at >> 3) & 0x1f, 2)}.${at & 7}`;
}

/** Some drivers give each partition its own PCI function, so the function does not identify a GPU. */
function slotOf({ pciAddress }: Entry): string | null {
  return pciAddress?.replace(/\.[0-7]$/, "") ?? null;
}

/** @param siblings The nodes of the same GPU; none for a card without a node. */
function describe(
  entry: Entry,
  card: Entry | undefined,
  siblings: readonly Entry[],
): Omit<Device, "renderNode" | "hiddenBecause"> {
  const deviceId = entry.deviceId ?? card?.deviceId ?? null;
  const model = modelOf(deviceId);
  const compute = card?.computeMode ?? (siblings.length > 1 ? "partitioned" : "SPX");
  const partitioned = siblings.length > 1 || compute !== "SPX";
  const count = partitioned ? Math.max(siblings.length, partitionsOf(compute, model)) : 1;
  const share = card === undefined || card.vramTotal === null ? null : card.vramTotal / count;
  const index = Math.max(0, siblings.indexOf(entry));
  return {
    model,
    deviceId,
    pciAddress: entry.pciAddress ?? card?.pciAddress ?? null,
    uuid: entry.uuid ?? card?.uuid ?? null,
    vramTotal: entry === card ? share : entry.vramTotal ?? share,
    vramUsed: partitioned ? null : card?.vramUsed ?? null,
    busyPercent: partitioned ? null : card?.busyPercent ?? null,
    partition: partitioned ? { compute, memory: card?.memoryMode ?? "unknown", index, count } : null,
  };
}

const PARTITIONS: Readonly<Record<string, number>> = { DPX: 2, TPX: 3, QPX: 4 };
// Accelerator dies: in CPX mode each is a partition.
const DIES: Readonly<Record<string, number>> = { MI300A: 6, MI308X: 4 };

function partitionsOf(mode: string, model: string): number {
  return mode === "CPX" ? DIES[model] ?? 8 : PARTITIONS[mode] ?? 1;
}

/** Why a device node cannot be used, and what to do; `null` if it can. */
function openFault(files: KernelFiles, dev: string, name: string): string | null {
  const path = `${dev}/${name}`;
  const result = files.openable(path);
  if (result.kind === "ok") return null;
  if (result.kind === "absent") {
    return `${path} does not exist (run the container with --device=/dev/${name})`;
  }
  const group = files.group(path);
  const remedy = group === null || group === 0
    ? "is the user in the groups video and render?"
    : `its group is ${group}: run the container with --group-add ${group}`;
  return `${path} cannot be opened: ${result.reason} (${remedy})`;
}

function nothingFound(files: KernelFiles, sys: string): string {
  const there = files.list(`${sys}/class/kfd`);
  if (there.kind === "absent") {
    return `${sys}/class/kfd is missing: the amdgpu driver is not loaded on this host`;
  }
  return there.kind === "failed"
    ? `${sys}/class/kfd cannot be read: ${there.reason}`
    : `no AMD GPU in ${sys}/class/kfd and ${sys}/class/drm`;
}

/** Lines of `name value`. */
function parseProperties(text: string): Map<string, number> {
  const lines = text.matchAll(/^\s*(\S+)[ \t]+(\d+)\s*$/gm);
  return new Map([...lines].map(([, name = "", value]) => [name, Number(value)]));
}

/** Decimal, or hexadecimal with `0x`. */
function integer(text: string): number | null {
  return /^\s*(?:\d+|0[xX][0-9a-fA-F]+)\s*$/.test(text) ? Number(text) : null;
}

/** As `0x74a1`. */
function idOf(id: number | null | undefined): string | null {
  return id === null || id === undefined ? null : `0x${id.toString(16).padStart(4, "0")}`;
}
