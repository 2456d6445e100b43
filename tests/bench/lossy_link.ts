// A link with delay and loss to a network namespace, for real TCP on both ends. Like the kernel's netem, but
// with two TUN devices.
//   deno run -P tests/bench/lossy_link.ts NAMESPACE ROUND_TRIP_MS LOSS
// Prints "ready" and carries packets until its input ends.
// This side is 10.207.7.1, the other 10.207.7.2. Each packet takes half the round trip; a share of those to
// the namespace is lost.
const [namespace = "", roundTrip = "100", loss = "0.01"] = Deno.args;
/** Bytes that the router queues in each direction; more is dropped. */
const QUEUE = 4 * 2 ** 20;
/** From Linux's if_tun.h. */
const TUNSETIFF = 0x400454ca, IFF_TUN = 1, IFF_NO_PI = 0x1000;
const MTU = 1500;

const libc = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
}).symbols;

const [near, far] = [openTun("aimnear"), openTun("aimfar")];
await ip("netns", "add", namespace);
try {
  await ip("link", "set", "aimfar", "netns", namespace);
  await ip("address", "add", "10.207.7.1/30", "dev", "aimnear");
  await ip("link", "set", "aimnear", "up", "mtu", String(MTU));
  // Linux's default: BBR would ignore the loss.
  const route = "10.207.7.0/30 dev aimnear src 10.207.7.1 congctl cubic";
  await ip("route", "replace", ...route.split(" "));
  await ip("-n", namespace, "address", "add", "10.207.7.2/30", "dev", "aimfar");
  await ip("-n", namespace, "link", "set", "aimfar", "up", "mtu", String(MTU));
  const random = generator(7);
  void carry(near, far, () => random() < Number(loss));
  void carry(far, near, () => false);
  console.log("ready");
  await Deno.stdin.read(new Uint8Array(1));
} finally {
  await ip("netns", "delete", namespace);
}
// The devices disappear with the process.
Deno.exit(0);

function openTun(name: string): number {
  const descriptor = libc.open(new TextEncoder().encode("/dev/net/tun\0"), 2);
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(name));
  new DataView(request.buffer).setUint16(16, IFF_TUN | IFF_NO_PI, true);
  if (descriptor < 0 || libc.ioctl(descriptor, BigInt(TUNSETIFF), request) < 0) {
    throw new Error(`no TUN device ${name} can be made`);
  }
  return descriptor;
}

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args, stdout: "null", stderr: "piped" })
    .output();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

async function carry(from: number, to: number, lost: () => boolean): Promise<void> {
  const queue: { due: number; packet: Uint8Array<ArrayBuffer> }[] = [];
  let queued = 0;
  const deliver = () => {
    const now = performance.now();
    let count = 0;
    for (; count < queue.length && (queue[count]?.due ?? 0) <= now; count++) {
      const packet = queue[count]?.packet ?? new Uint8Array();
      libc.write(to, packet, BigInt(packet.length));
      queued -= packet.length;
    }
    queue.splice(0, count);
    const next = queue[0];
    if (next !== undefined) setTimeout(deliver, Math.max(1, next.due - performance.now()));
  };
  const buffer = new Uint8Array(65536);
  for (;;) {
    const count = Number(await libc.read(from, buffer, BigInt(buffer.length)));
    if (count <= 0) return;
    if (lost() || queued + count > QUEUE) continue;
    queue.push({ due: performance.now() + Number(roundTrip) / 2, packet: buffer.slice(0, count) });
    queued += count;
    if (queue.length === 1) setTimeout(deliver, Number(roundTrip) / 2);
  }
}

/** Pseudorandom numbers in [0, 1), the same in each run (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}
