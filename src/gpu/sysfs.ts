import type { KernelFiles } from "../os/kernel_files.ts";
import type { Read } from "../os/read.ts";
import type { Device, Devices } from "./devices.ts";
import { modelOf } from "./device_models.ts";

/** Roots of the kernel's file systems. */
export interface SysfsRoots {
  /** `/sys`. */
  readonly sys: string;
  /** `/dev`. */
  readonly dev: string;
}

/**
 * GPUs from the KFD topology joined with DRM by the render minor. KFD is what ROCm enumerates, so its order
 * counts; DRM reports use, load and partition modes, and which GPUs of the host this container may not see.
 * Never throws; unreadable files are warned about.
 *
 * Sources: the kernel's `drivers/gpu/drm/amd/amdkfd/kfd_topology.c` (names, decimal values, `location_id`,
 * -EPERM outside the device cgroup) and `Documentation/gpu/amdgpu` (DRM attributes).
 */
export function readSysfs(
  files: KernelFiles,
  roots: SysfsRoots,
): Devices & { readonly reason: string | null } {
  const warnings: string[] = [];
  const nodes = readNodes(files, `${roots.sys}/class/kfd/kfd/topology/nodes`, warnings);
  const cards = readCards(files, `${roots.sys}/class/drm`, warnings);
  const kfd = opens(files, `${roots.dev}/kfd`, "the container lacks it: give it --device=/dev/kfd");
  const devices = nodes.length > 0
    ? [...joined(files, roots, nodes, cards, kfd), ...unclaimed(nodes, cards, roots)]
    : cards.map((card) => fromCard(files, roots, card, kfd));
  const reason = devices.length > 0 ? null : nothingFound(files, roots, cards);
  return { devices, warnings, reason };
}

/** A GPU node of KFD: its properties as numbers (64-bit ones exceed doubles, hence bigint). */
interface Node {
  readonly number: number;
  readonly properties: ReadonlyMap<string, bigint>;
  /** Bytes; `null` if no bank can be read. */
  readonly memory: number | null;
}

/** A render node of DRM that belongs to an AMD device. */
interface Card {
  readonly minor: number;
  readonly deviceId: string | null;
  readonly pciAddress: string | null;
  readonly uniqueId: string | null;
  readonly vramTotal: number | null;
  readonly vramUsed: number | null;
  readonly busyPercent: number | null;
  readonly computeMode: string | null;
  readonly memoryMode: string | null;
}

const AMD = 0x1002n;

function readNodes(files: KernelFiles, folder: string, warnings: string[]): Node[] {
  const names = files.list(folder);
  if (names.kind === "failed") warnings.push(`${folder} cannot be read: ${names.reason}`);
  if (names.kind !== "ok") return [];
  const nodes: Node[] = [];
  for (const number of names.value.filter((name) => /^\d+$/.test(name)).map(Number).sort((a, b) => a - b)) {
    const path = `${folder}/${number}`;
    const gpuId = files.text(`${path}/gpu_id`);
    // Outside the device cgroup the kernel refuses both files; such a GPU shows up by its render node
    // instead.
    if (gpuId.kind === "failed") continue;
    if (gpuId.kind === "ok" && integer(gpuId.value) === 0n) continue;
    const text = files.text(`${path}/properties`);
    if (text.kind !== "ok") {
      if (gpuId.kind === "ok") warnings.push(`${path}/properties cannot be read${why(text)}`);
      continue;
    }
    const properties = parseProperties(text.value);
    // Without gpu_id, a node with SIMDs is a GPU.
    if (gpuId.kind === "absent" && (properties.get("simd_count") ?? 0n) === 0n) continue;
    const vendor = properties.get("vendor_id");
    if (vendor !== undefined && vendor !== AMD) continue;
    nodes.push({ number, properties, memory: readMemory(files, path, properties) });
  }
  return nodes;
}

function readMemory(
  files: KernelFiles,
  node: string,
  properties: ReadonlyMap<string, bigint>,
): number | null {
  const banks = files.list(`${node}/mem_banks`);
  let sum = 0n;
  for (const bank of banks.kind === "ok" ? banks.value : []) {
    const text = files.text(`${node}/mem_banks/${bank}/properties`);
    if (text.kind !== "ok") continue;
    const values = parseProperties(text.value);
    // HSA_MEM_HEAP_TYPE_FB_PUBLIC and _PRIVATE; 0 is system memory, others are apertures.
    const heap = values.get("heap_type");
    if (heap === 1n || heap === 2n) sum += values.get("size_in_bytes") ?? 0n;
  }
  if (sum === 0n) sum = properties.get("local_mem_size") ?? 0n;
  return sum === 0n ? null : Number(sum);
}

function readCards(files: KernelFiles, folder: string, warnings: string[]): Card[] {
  const names = files.list(folder);
  if (names.kind === "failed") warnings.push(`${folder} cannot be read: ${names.reason}`);
  const minors = (names.kind === "ok" ? names.value : []).flatMap((name) =>
    /^renderD(\d+)$/.exec(name)?.[1] ?? []
  )
    .map(Number).sort((a, b) => a - b);
  return minors.flatMap((minor) => {
    const device = `${folder}/renderD${minor}/device`;
    const vendor = files.text(`${device}/vendor`);
    if (vendor.kind === "failed") warnings.push(`${device}/vendor cannot be read: ${vendor.reason}`);
    // A partition's render node belongs to a platform device without PCI attributes: KFD reports it.
    if (vendor.kind !== "ok" || integer(vendor.value) !== AMD) return [];
    const number = (name: string): number | null => {
      const text = files.text(`${device}/${name}`);
      const value = text.kind === "ok" ? integer(text.value) : null;
      return value === null ? null : Number(value);
    };
    const word = (name: string): string | null => {
      const text = files.text(`${device}/${name}`);
      // Drivers that know of no partitions say UNKNOWN or N/A.
      return text.kind === "ok" && !/^(?:|unknown|n\/?a|none)$/i.test(text.value.trim())
        ? text.value.trim()
        : null;
    };
    const id = number("device");
    const busy = [number("gpu_busy_percent"), number("mem_busy_percent")].filter((value) => value !== null);
    return [{
      minor,
      deviceId: id === null ? null : hex(id),
      pciAddress: pciAddressOf(files, device),
      uniqueId: word("unique_id"),
      vramTotal: number("mem_info_vram_total"),
      vramUsed: number("mem_info_vram_used"),
      busyPercent: busy.length === 0 ? null : Math.max(...busy),
      computeMode: word("current_compute_partition"),
      memoryMode: word("current_memory_partition"),
    }];
  });
}

function pciAddressOf(files: KernelFiles, device: string): string | null {
  const uevent = files.text(`${device}/uevent`);
  const slot = uevent.kind === "ok" ? /^PCI_SLOT_NAME=(\S+)$/m.exec(uevent.value)?.[1] : undefined;
  if (slot !== undefined) return slot.toLowerCase();
  const link = files.link(device);
  const last = link.kind === "ok" ? link.value.split("/").at(-1) : undefined;
  return last !== undefined && /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i.test(last)
    ? last.toLowerCase()
    : null;
}

/**
 * `location_id`: bus, device and function in 16 bits; if a GPU has several nodes, the node's number in
 * bits 28 to 31.
 */
function pciOf(node: Node): string | null {
  const location = node.properties.get("location_id");
  if (location === undefined) return null;
  const [domain, at] = [Number(node.properties.get("domain") ?? 0n), Number(location & 0xffffn)];
  const part = (value: number, width: number) => value.toString(16).padStart(width, "0");
  return `${part(domain, 4)}:${part(at >> 8, 2)}:${part((at >> 3) & 0x1f, 2)}.${at & 7}`;
}

function joined(
  files: KernelFiles,
  roots: SysfsRoots,
  nodes: readonly Node[],
  cards: readonly Card[],
  kfd: string | null,
): Device[] {
  // Some drivers give partitions PCI functions of their own, so the function does not identify a GPU.
  const slot = (address: string | null) => address?.replace(/\.[0-7]$/, "") ?? null;
  const family = (node: Node) => slot(pciOf(node)) ?? `node ${node.number}`;
  return nodes.map((node) => {
    const minor = Number(node.properties.get("drm_render_minor") ?? 0n);
    const pci = pciOf(node);
    const card = cards.find((one) => one.minor === minor) ??
      cards.find((one) => one.pciAddress !== null && slot(one.pciAddress) === slot(pci));
    const siblings = nodes.filter((one) => family(one) === family(node));
    const count = siblings.length;
    const index = siblings.indexOf(node);
    const compute = card?.computeMode ?? (count > 1 ? "partitioned" : "SPX");
    const partitioned = count > 1 || !["SPX", ""].includes(compute.toUpperCase());
    const id = node.properties.get("device_id");
    const deviceId = id === undefined ? card?.deviceId ?? null : hex(Number(id));
    const unique = node.properties.get("unique_id") ?? 0n;
    const renderNode = minor > 0 ? `${roots.dev}/dri/renderD${minor}` : null;
    const share = partitioned ? Math.max(count, partitionsOf(compute, modelOf(deviceId))) : 1;
    return {
      model: modelOf(deviceId),
      deviceId,
      pciAddress: pci ?? card?.pciAddress ?? null,
      uuid: unique > 0n ? uuidOf(unique) : uuidFromText(card?.uniqueId ?? null),
      renderNode,
      vramTotal: node.memory ?? (card?.vramTotal == null ? null : card.vramTotal / share),
      // DRM counts for the whole GPU.
      vramUsed: partitioned ? null : card?.vramUsed ?? null,
      busyPercent: partitioned ? null : card?.busyPercent ?? null,
      partition: partitioned ? { compute, memory: card?.memoryMode ?? "unknown", index, count: share } : null,
      closedBecause: kfd ?? renderFault(files, renderNode),
    };
  });
}

const PARTITIONS: Readonly<Record<string, number>> = { DPX: 2, TPX: 3, QPX: 4 };
// Accelerator dies: in CPX mode each is a partition.
const DIES: Readonly<Record<string, number>> = { MI300A: 6, MI308X: 4 };

/** How many partitions a whole GPU has in a mode. */
function partitionsOf(mode: string, model: string): number {
  return mode.toUpperCase() === "CPX" ? DIES[model] ?? 8 : PARTITIONS[mode.toUpperCase()] ?? 1;
}

/** GPUs of the host that KFD does not show here: the device cgroup keeps them from this container. */
function unclaimed(nodes: readonly Node[], cards: readonly Card[], roots: SysfsRoots): Device[] {
  const minors = new Set(nodes.map((node) => Number(node.properties.get("drm_render_minor") ?? 0n)));
  const addresses = new Set(nodes.map(pciOf));
  return cards
    .filter((card) => !minors.has(card.minor) && !addresses.has(card.pciAddress))
    .map((card) => ({
      ...plain(card, roots),
      closedBecause: "ROCm does not see it in this container (no KFD node)",
    }));
}

function fromCard(files: KernelFiles, roots: SysfsRoots, card: Card, kfd: string | null): Device {
  const device = plain(card, roots);
  return { ...device, closedBecause: kfd ?? renderFault(files, device.renderNode) };
}

function plain(card: Card, roots: SysfsRoots): Omit<Device, "closedBecause"> {
  const mode = card.computeMode?.toUpperCase() ?? "SPX";
  const partitioned = mode !== "SPX";
  const share = partitioned ? partitionsOf(mode, modelOf(card.deviceId)) : 1;
  return {
    model: modelOf(card.deviceId),
    deviceId: card.deviceId,
    pciAddress: card.pciAddress,
    uuid: uuidFromText(card.uniqueId),
    renderNode: `${roots.dev}/dri/renderD${card.minor}`,
    vramTotal: card.vramTotal === null ? null : card.vramTotal / share,
    vramUsed: partitioned ? null : card.vramUsed,
    busyPercent: partitioned ? null : card.busyPercent,
    partition: partitioned
      ? { compute: mode, memory: card.memoryMode ?? "unknown", index: 0, count: share }
      : null,
  };
}

function renderFault(files: KernelFiles, renderNode: string | null): string | null {
  return renderNode === null
    ? "it has no render node"
    : opens(files, renderNode, `the container lacks it: give it --device=${renderNode}`);
}

function opens(files: KernelFiles, path: string, absent: string): string | null {
  const result = files.openable(path);
  if (result.kind === "ok") return null;
  if (result.kind === "absent") return `${path} is not there (${absent})`;
  const group = files.group(path);
  const remedy = group === null || group === 0
    ? "is the user in the groups video and render?"
    : `its group is ${group}: run the container with --group-add ${group}`;
  return `${path} cannot be opened: ${result.reason} (${remedy})`;
}

function nothingFound(files: KernelFiles, roots: SysfsRoots, cards: readonly Card[]): string {
  const kfd = `${roots.sys}/class/kfd`;
  const there = files.list(kfd);
  if (there.kind === "absent") return `${kfd} is missing: the amdgpu driver is not loaded on this host`;
  if (there.kind === "failed") return `${kfd} cannot be read: ${there.reason}`;
  return cards.length === 0
    ? `no AMD GPU in ${roots.sys}/class/kfd and ${roots.sys}/class/drm`
    : `no GPU in ${kfd}`;
}

/** Lines of `name value`. */
function parseProperties(text: string): Map<string, bigint> {
  const values = new Map<string, bigint>();
  for (const line of text.split("\n")) {
    const match = /^\s*(\S+)\s+(\S+)\s*$/.exec(line);
    const value = match?.[2] === undefined ? null : integer(match[2]);
    if (match?.[1] !== undefined && value !== null) values.set(match[1], value);
  }
  return values;
}

/** Decimal, or hexadecimal with `0x`. */
function integer(text: string): bigint | null {
  const trimmed = text.trim();
  return /^(?:\d+|0[xX][0-9a-fA-F]+)$/.test(trimmed) ? BigInt(trimmed) : null;
}

function hex(id: number): string {
  return `0x${id.toString(16).padStart(4, "0")}`;
}

function uuidOf(unique: bigint): string {
  return `GPU-${unique.toString(16).padStart(16, "0")}`;
}

function uuidFromText(text: string | null): string | null {
  const digits = text === null ? undefined : /^(?:0x)?([0-9a-f]{1,16})$/i.exec(text)?.[1];
  return digits === undefined || /^0*$/.test(digits) ? null : `GPU-${digits.toLowerCase().padStart(16, "0")}`;
}

function why(read: Exclude<Read<string>, { kind: "ok" }>): string {
  return read.kind === "failed" ? `: ${read.reason}` : ": it is not there";
}
