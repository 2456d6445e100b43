import { dirname, join } from "@std/path";

// Trees of `/sys` and `/dev` as amdgpu creates them, in a temporary directory. Formats and semantics
// are from the kernel: `drivers/gpu/drm/amd/amdkfd/kfd_topology.c` (one `name value` per line, decimal;
// `location_id` = PCI bus, device and function in 16 bits, the partition's index in bits 28 to 31; gpu_id
// and properties fail with EPERM outside the device cgroup) and `Documentation/gpu/amdgpu/driver-misc.rst`
// (mem_info_*, gpu_busy_percent, current_*_partition). Each fixture names its source.

/** One GPU of a host. */
export interface GpuSpec {
  /** PCI device id. */
  readonly id: number;
  /** `0000:c1:00.0`; the function is optional. */
  readonly pci: string;
  /** First render minor. */
  readonly minor: number;
  /** GiB, or bytes if above 4096. */
  readonly vram: number;
  /** Share of VRAM, 0 to 1. */
  readonly used?: number;
  readonly busy?: number;
  readonly unique?: bigint;
  readonly gfx: number;
  /** Compute mode, memory mode and number of partitions; their render minors follow the first. */
  readonly partition?: { readonly compute: string; readonly memory: string; readonly count: number };
  /** APUs and old drivers: no VRAM attributes in DRM. */
  readonly bare?: boolean;
}

/** How a tree deviates from a complete, readable one. */
export interface TreeOptions {
  /** Render minors in `/dev/dri`. @default {all} */
  readonly minors?: readonly number[];
  /** Create `/dev/kfd`. @default {true} */
  readonly kfd?: boolean;
  /** Create the KFD topology. @default {true} */
  readonly topology?: boolean;
  /** Create the DRM tree. @default {true} */
  readonly drm?: boolean;
  /** Minors whose KFD node cannot be read, as if outside the device cgroup. */
  readonly unreadable?: readonly number[];
  /** Minors whose render node exists but cannot be opened. */
  readonly closed?: readonly number[];
}

/** A tree on disk. */
export interface Tree extends AsyncDisposable {
  readonly sys: string;
  readonly dev: string;
}

/** Writes a tree. CPU nodes come first, as on every host. */
export async function makeTree(gpus: readonly GpuSpec[], options: TreeOptions = {}): Promise<Tree> {
  const root = await Deno.makeTempDir({ prefix: "aim-gpus-" });
  const [sys, dev] = [join(root, "sys"), join(root, "dev")];
  const write = (path: string, text: string) => {
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeTextFileSync(path, text);
  };
  Deno.mkdirSync(join(dev, "dri"), { recursive: true });
  Deno.mkdirSync(sys, { recursive: true });
  if (options.kfd !== false) write(join(dev, "kfd"), "");
  const nodes = join(sys, "class/kfd/kfd/topology/nodes");
  let node = 0;
  if (options.topology !== false) {
    for (; node < 2; node++) {
      write(join(nodes, `${node}/gpu_id`), "0\n");
      write(
        join(nodes, `${node}/properties`),
        "cpu_cores_count 96\nsimd_count 0\nmem_banks_count 1\ndrm_render_minor 0\n",
      );
      write(
        join(nodes, `${node}/mem_banks/0/properties`),
        `heap_type 0\nsize_in_bytes ${2 ** 40}\nflags 0\n`,
      );
    }
  }
  for (const gpu of gpus) {
    const count = gpu.partition?.count ?? 1;
    const bytes = gpu.vram > 4096 ? gpu.vram : gpu.vram * 2 ** 30;
    const [domain = "0000", bus = "00", slot = "00"] = gpu.pci.split(/[:.]/);
    const location = parseInt(bus, 16) << 8 | parseInt(slot, 16) << 3;
    for (let part = 0; part < count; part++, node++) {
      const minor = gpu.minor + part;
      if (!(options.closed ?? []).includes(minor) && (options.minors ?? [minor]).includes(minor)) {
        write(join(dev, `dri/renderD${minor}`), "");
      }
      if ((options.closed ?? []).includes(minor)) Deno.mkdirSync(join(dev, `dri/renderD${minor}`));
      if (options.topology !== false) {
        const folder = join(nodes, String(node));
        if ((options.unreadable ?? []).includes(minor)) {
          // Opening a directory as a file fails for root too.
          Deno.mkdirSync(join(folder, "gpu_id"), { recursive: true });
          Deno.mkdirSync(join(folder, "properties"), { recursive: true });
        } else {
          write(join(folder, "gpu_id"), `${10000 + minor}\n`);
          write(
            join(folder, "properties"),
            Object.entries({
              cpu_cores_count: 0,
              simd_count: 1216 / count,
              mem_banks_count: 1,
              caches_count: 0,
              gfx_target_version: gpu.gfx,
              vendor_id: 4098,
              device_id: gpu.id,
              location_id: location + part * 2 ** 28,
              domain: parseInt(domain, 16),
              drm_render_minor: minor,
              hive_id: 0,
              local_mem_size: 0,
              unique_id: gpu.unique ?? 0n,
              num_xcc: 8 / Math.min(8, count),
            }).map(([name, value]) => `${name} ${value}\n`).join(""),
          );
          write(
            join(folder, "mem_banks/0/properties"),
            `heap_type 1\nsize_in_bytes ${
              Math.floor(bytes / count)
            }\nflags 0\nwidth 8192\nmem_clk_max 1300\n`,
          );
        }
      }
      if (options.drm === false) continue;
      const device = join(sys, `class/drm/renderD${minor}/device`);
      if (part > 0) {
        // A partition's node belongs to a platform device without PCI attributes.
        write(join(device, "uevent"), "DRIVER=amdgpu_xcp_drv\nMODALIAS=platform:amdgpu_xcp\n");
        continue;
      }
      write(join(device, "vendor"), "0x1002\n");
      write(join(device, "device"), `0x${gpu.id.toString(16)}\n`);
      write(
        join(device, "uevent"),
        `DRIVER=amdgpu\nPCI_ID=1002:${
          gpu.id.toString(16).toUpperCase()
        }\nPCI_SLOT_NAME=${domain}:${bus}:${slot}.0\n`,
      );
      if (gpu.unique !== undefined) write(join(device, "unique_id"), `${gpu.unique.toString(16)}\n`);
      if (gpu.bare) continue;
      write(join(device, "mem_info_vram_total"), `${bytes}\n`);
      write(join(device, "mem_info_vram_used"), `${Math.floor(bytes * (gpu.used ?? 0.0014))}\n`);
      write(join(device, "gpu_busy_percent"), `${gpu.busy ?? 0}\n`);
      write(join(device, "mem_busy_percent"), "0\n");
      write(join(device, "current_compute_partition"), `${gpu.partition?.compute ?? "SPX"}\n`);
      write(join(device, "current_memory_partition"), `${gpu.partition?.memory ?? "NPS1"}\n`);
    }
  }
  return { sys, dev, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}

const GIB_192 = 206141652992;

/** Eight GPUs on the PCI buses of a typical host, with render minors from 128. */
export function eight(spec: Omit<GpuSpec, "pci" | "minor">, minorsEach = 1): GpuSpec[] {
  return ["05", "26", "46", "65", "85", "a6", "c6", "e5"].map((bus, at) => ({
    ...spec,
    pci: `0000:${bus}:00.0`,
    minor: 128 + at * minorsEach,
    unique: 0x1234_5678_0000_0000n + BigInt(at),
  }));
}

/** Hosts by their hardware. */
export const HOSTS = {
  // Two dies per card, each a separate GPU: https://rocm.docs.amd.com "MI250 microarchitecture"; gfx90a.
  MI250X: eight({ id: 0x7408, vram: 64, gfx: 90010 }),
  // APU with its CPU cores in other nodes; HBM is shared, VRAM attributes report the carve-out. ROCm/amdsmi
  // issue 100 and the kernel's APU handling in kfd_topology.c.
  MI300A: ["01", "41", "81", "c1"].map((bus, at) => ({
    id: 0x74a0,
    pci: `0000:${bus}:00.0`,
    minor: 128 + at,
    vram: 128,
    gfx: 90402,
    unique: 0x99n + BigInt(at),
  })),
  // ROCm/rocm-cli pull request 343 shows gfx_target_version 90402 on an MI300X node.
  MI300X: eight({ id: 0x74a1, vram: GIB_192, gfx: 90402 }),
  // ROCm/k8s-device-plugin issues 157 and 184: 64 KFD nodes and render nodes, and amdgpu_xcp platform devices
  // for all partitions but the first of each GPU.
  "MI300X CPX": eight(
    { id: 0x74a1, vram: GIB_192, gfx: 90402, partition: { compute: "CPX", memory: "NPS4", count: 8 } },
    8,
  ),
  // ROCm/amdsmi issue 100: a virtual function in a guest (MI300X_HW_SRIOV_CVS_1VF).
  "MI300X VF": eight({ id: 0x74b5, vram: GIB_192, gfx: 90402 }),
  MI308X: eight({ id: 0x74a2, vram: GIB_192, gfx: 90402 }),
  MI325X: eight({ id: 0x74a5, vram: 256, gfx: 90402 }),
  MI350X: eight({ id: 0x75a0, vram: 288, gfx: 90500 }),
  MI355X: eight({ id: 0x75a3, vram: 288, gfx: 90500 }),
  W7900: [{ id: 0x7448, pci: "0000:03:00.0", minor: 128, vram: 48, gfx: 110000, unique: 0xabcn }],
  RX7900: [{ id: 0x744c, pci: "0000:03:00.0", minor: 128, vram: 24, gfx: 110000, unique: 0xdefn }],
} as const satisfies Record<string, readonly GpuSpec[]>;

/** The graphics unit of a Ryzen (Raphael), which KFD lists too. */
export const INTEGRATED: GpuSpec = { id: 0x164e, pci: "0000:0f:00.0", minor: 136, vram: 2, gfx: 100306 };
