/** Messages hashed at once. */
export const LANES = 12;
/** Maximum bytes per lane of one `update`: whole blocks. All inputs together fit in a CPU's L2 cache. */
export const LANE_BYTES = 64 * 1024;

const BLOCK = 64;

/**
 * MD5 (RFC 1321) of twelve messages of equal length side by side: the parts of a multipart ETag. MD5 is a
 * chain of dependent steps, for which a CPU mostly waits. Four messages in the lanes of a vector, and three
 * such vectors in turn, therefore take little longer than one message. A lane may have no message.
 */
export interface Md5Lanes {
  /** The next bytes of each lane. All `Md5Lanes` of a thread share them: no `await` before `update`. */
  readonly inputs: readonly Uint8Array<ArrayBuffer>[];
  start(): void;
  /** Hashes the first `bytes` of each input: a multiple of 64. */
  update(bytes: number): void;
  /** The MD5s if the messages end after the first `bytes` (less than 64) of the inputs. They may continue. */
  finish(bytes: number): Uint8Array[];
}

/** `null` if the runtime does not support vectors. */
export function md5Lanes(): Md5Lanes | null {
  if (machine === undefined) machine = startMachine();
  if (machine === null) return null;
  const { run, state: current, inputs } = machine;
  const state = new Uint32Array(INITIAL_STATE);
  let total = 0;
  const hash = (bytes: number) => {
    current.set(state);
    run(bytes / BLOCK);
  };
  return {
    inputs,
    start() {
      state.set(INITIAL_STATE);
      total = 0;
    },
    update(bytes) {
      hash(bytes);
      state.set(current);
      total += bytes;
    },
    finish(bytes) {
      const padded = bytes + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
      for (const input of inputs) pad(input, bytes, padded, total + bytes);
      hash(padded);
      return inputs.map((_, lane) => digestOf(current, lane));
    },
  };
}

function pad(input: Uint8Array<ArrayBuffer>, bytes: number, padded: number, total: number): void {
  input.fill(0, bytes, padded);
  input[bytes] = 0x80;
  new DataView(input.buffer, input.byteOffset).setBigUint64(padded - 8, BigInt(total) * 8n, true);
}

function digestOf(state: Uint32Array, lane: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  const first = Math.floor(lane / 4) * 16 + lane % 4;
  for (let word = 0; word < 4; word++) view.setUint32(word * 4, state[first + word * 4] ?? 0, true);
  return new Uint8Array(view.buffer);
}

interface Machine {
  run(blocks: number): void;
  readonly state: Uint32Array;
  readonly inputs: readonly Uint8Array<ArrayBuffer>[];
}

/** One per thread, so that its inputs stay in the cache from hash to hash. */
let machine: Machine | null | undefined;

function startMachine(): Machine | null {
  try {
    const { run, memory } = new WebAssembly.Instance(new WebAssembly.Module(assemble())).exports;
    const { buffer } = memory as WebAssembly.Memory & { buffer: ArrayBuffer };
    new Uint32Array(buffer, sineAt(0)).set(SINES);
    return {
      run: run as Machine["run"],
      state: new Uint32Array(buffer, stateAt(0), 4 * LANES),
      inputs: Array.from({ length: LANES }, (_, lane) => new Uint8Array(buffer, inputAt(lane), LANE_BYTES)),
    };
  } catch {
    return null;
  }
}

/** Vectors of four messages: as many as leave a few of the 16 registers for intermediate values. */
const QUADS = LANES / 4;
const STEPS = Array.from({ length: 64 }, (_, n) => n);
const SHIFTS = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
/** RFC 1321's table; in the last round one less, for the complement that `step` subtracts. */
const SINES = STEPS.map((n) => Math.floor(Math.abs(Math.sin(n + 1)) * 2 ** 32) - (n < 48 ? 0 : 1));
/** For each quad, the four words, each repeated for its four messages. */
const INITIAL_STATE = Array.from({ length: QUADS }, () => [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476])
  .flat().flatMap((word) => [word, word, word, word]);

// Memory: the state, the table of sines, the words of a block, then the lanes' inputs. A page is 64 KiB.
const PAGE = 65536;
const stateAt = (n: number) => n * 16;
const sineAt = (n: number) => stateAt(4 * QUADS) + n * 4;
const wordAt = (quad: number, word: number) => sineAt(64) + (quad * 16 + word) * 16;
/** A cache line apart: at a power of two, all lanes would contend for a few lines of the L1 cache. */
const inputAt = (lane: number) => wordAt(QUADS, 0) + lane * (LANE_BYTES + BLOCK);

// WebAssembly's binary format: https://webassembly.github.io/spec/core/binary/
const I32 = 0x7f, V128 = 0x7b;
const GET = 0x20, SET = 0x21, TEE = 0x22, I32_CONST = 0x41, I32_ADD = 0x6a, I32_SUB = 0x6b, I32_EQZ = 0x45;
const VECTOR = 0xfd;
const LOAD = 0, LOAD_FOR_ALL = 9, STORE = 11, SHUFFLE = 13;
const AND = vector(78), AND_NOT = vector(79), OR = vector(80), XOR = vector(81);
const SHL = vector(171), SHR = vector(173), ADD = vector(174), SUB = vector(177);

/** The module: `run(blocks)` hashes that many blocks of each input into the state. */
function assemble(): Uint8Array<ArrayBuffer> {
  const section = (id: number, ...bytes: number[]) => [id, ...unsigned(bytes.length), ...bytes];
  const body = functionBody();
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, 1, I32, 0),
    ...section(3, 1, 0),
    ...section(5, 1, 0, ...unsigned(Math.ceil(inputAt(LANES) / PAGE))),
    ...section(7, 2, ...exported("run", 0, 0), ...exported("memory", 2, 0)),
    ...section(10, 1, ...unsigned(body.length), ...body),
  ]);
}

function exported(name: string, kind: number, index: number): number[] {
  return [name.length, ...new TextEncoder().encode(name), kind, index];
}

// Locals: the parameter, the offset in the inputs, then vectors: a b c d of each quad, a step's sine, and
// eight to transpose with.
const BLOCKS = 0, AT = 1, A = 2, SINE = A + 4 * QUADS, TURN = SINE + 1, LOCALS = TURN + 8;

function functionBody(): number[] {
  const quads = Array.from({ length: QUADS }, (_, n) => n);
  const states = Array.from({ length: 4 * QUADS }, (_, n) => n);
  return [
    ...[2, 1, I32, LOCALS - A, V128],
    ...states.flatMap((n) => [...load(stateAt(n)), ...set(A + n)]),
    ...[0x02, 0x40, 0x03, 0x40], // block, loop
    ...[...get(BLOCKS), I32_EQZ, 0x0d, 1], // leave the block when none is left
    ...quads.flatMap((quad) => [0, 1, 2, 3].flatMap((group) => turn(quad, group))),
    ...STEPS.flatMap((n) => [...loadSine(n), ...quads.flatMap((quad) => step(n, quad))]),
    ...states.flatMap((n) => [...get(A + n), ...load(stateAt(n)), ...ADD, ...set(A + n)]),
    ...states.flatMap((n) => store(stateAt(n), get(A + n))),
    ...[...get(AT), I32_CONST, ...signed(BLOCK), I32_ADD, ...set(AT)],
    ...[...get(BLOCKS), I32_CONST, 1, I32_SUB, ...set(BLOCKS)],
    ...[0x0c, 0, 0x0b, 0x0b], // again
    0x0b,
  ];
}

/** Transposes four words of each message of a quad, so that a vector in memory has one word of all four. */
function turn(quad: number, group: number): number[] {
  const mix = (x: number, y: number, lanes: readonly number[]) => [
    ...get(TURN + x),
    ...get(TURN + y),
    ...vector(SHUFFLE, ...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte))),
  ];
  const loads = [0, 1, 2, 3].flatMap((lane) => [
    ...[...get(AT), ...vector(LOAD, ...at(inputAt(quad * 4 + lane) + group * 16))],
    ...set(TURN + lane),
  ]);
  const word = (n: number) => wordAt(quad, group * 4 + n);
  return [
    ...loads,
    ...[...mix(0, 1, [0, 4, 1, 5]), ...set(TURN + 4)],
    ...[...mix(0, 1, [2, 6, 3, 7]), ...set(TURN + 5)],
    ...[...mix(2, 3, [0, 4, 1, 5]), ...set(TURN + 6)],
    ...[...mix(2, 3, [2, 6, 3, 7]), ...set(TURN + 7)],
    ...store(word(0), mix(4, 6, [0, 1, 4, 5])),
    ...store(word(1), mix(4, 6, [2, 3, 6, 7])),
    ...store(word(2), mix(5, 7, [0, 1, 4, 5])),
    ...store(word(3), mix(5, 7, [2, 3, 6, 7])),
  ];
}

function loadSine(n: number): number[] {
  return [I32_CONST, 0, ...vector(LOAD_FOR_ALL, 2, ...unsigned(sineAt(n))), ...set(SINE)];
}

function step(n: number, quad: number): number[] {
  const round = n >> 4;
  const state = (i: number) => A + quad * 4 + (i + 64 - n) % 4;
  const a = state(0);
  const word = [n, 5 * n + 1, 3 * n + 5, 7 * n].map((w) => w % 16)[round] ?? 0;
  const shift = SHIFTS[round]?.[n % 4] ?? 0;
  const [b, c, d] = [get(state(1)), get(state(2)), get(state(3))];
  // Reverse Polish notation. b is the previous step's result, so what needs it comes last and is short.
  const addFunction = [
    // (b & c) | (~b & d)
    [c, d, XOR, b, AND, d, XOR, ADD],
    // (b & d) | (c & ~d): no bit is in both, so they can be added one after the other
    [c, d, AND_NOT, ADD, b, d, AND, ADD],
    [c, d, XOR, b, XOR, ADD],
    // c ^ (b | ~d) is ~(c ^ (d & ~b)), and to add ~x is to subtract x and one
    [d, b, AND_NOT, c, XOR, SUB],
  ];
  return [
    ...[...get(SINE), ...load(wordAt(quad, word)), ...ADD],
    ...[...get(a), ...ADD],
    ...(addFunction[round] ?? []).flat(),
    ...[TEE, a, I32_CONST, ...signed(shift), ...SHL],
    ...[...get(a), I32_CONST, ...signed(32 - shift), ...SHR, ...OR],
    ...[...b, ...ADD, ...set(a)],
  ];
}

function vector(code: number, ...more: number[]): number[] {
  return [VECTOR, ...unsigned(code), ...more];
}

function get(local: number): number[] {
  return [GET, local];
}

function set(local: number): number[] {
  return [SET, local];
}

function load(place: number): number[] {
  return [I32_CONST, 0, ...vector(LOAD, ...at(place))];
}

function store(place: number, value: readonly number[]): number[] {
  return [I32_CONST, 0, ...value, ...vector(STORE, ...at(place))];
}

/** A place in memory with a vector's alignment, 2 to the 4th. */
function at(place: number): number[] {
  return [4, ...unsigned(place)];
}

// LEB128.
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [value & 127 | 128, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  return value >= -64 && value < 64 ? [value & 127] : [value & 127 | 128, ...signed(value >> 7)];
}
