/** Messages hashed at once. */
export const LANES = 4;
/** Bytes a lane that `update` takes at once, at most; a multiple of MD5's block. */
export const LANE_BYTES = 64 * 1024;

const BLOCK = 64;

/**
 * MD5 (RFC 1321) of four messages of equal length side by side, one in each 32-bit lane of a vector. MD5 is a chain of dependent steps
 * that leaves a processor mostly waiting, so that four together take little longer than one: the parts of a multipart ETag.
 */
export interface Md5Lanes {
  /** Where the next bytes of each lane belong, before `update`. */
  readonly inputs: readonly Uint8Array<ArrayBuffer>[];
  /** Begins four new messages. */
  start(): void;
  /** Hashes the first `bytes` of each input: a multiple of 64. */
  update(bytes: number): void;
  /** Ends the messages with the `bytes` (less than 64) that the inputs begin with; the four MD5s. */
  finish(bytes: number): Uint8Array[];
}

/** `null` where the runtime has no vectors. */
export function md5Lanes(): Md5Lanes | null {
  let run: (blocks: number) => void;
  let memory: ArrayBuffer;
  try {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(assemble()));
    const { run: exported, memory: held } = instance.exports;
    run = exported as (blocks: number) => void;
    memory = (held as WebAssembly.Memory).buffer as ArrayBuffer;
  } catch {
    return null;
  }
  const state = new Uint32Array(memory, 0, 4 * LANES);
  const inputs = Array.from({ length: LANES }, (_, n) => new Uint8Array(memory, inputAt(n), LANE_BYTES));
  let total = 0;
  return {
    inputs,
    start() {
      INITIAL.forEach((word, n) => state.fill(word, n * LANES, (n + 1) * LANES));
      total = 0;
    },
    update(bytes) {
      run(bytes / BLOCK);
      total += bytes;
    },
    finish(bytes) {
      const padded = bytes + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
      for (const input of inputs) {
        input.fill(0, bytes, padded);
        input[bytes] = 0x80;
        new DataView(memory).setBigUint64(input.byteOffset + padded - 8, BigInt(total + bytes) * 8n, true);
      }
      run(padded / BLOCK);
      const view = new DataView(new ArrayBuffer(16));
      return inputs.map((_, lane) => {
        for (let word = 0; word < 4; word++) view.setUint32(word * 4, state[word * LANES + lane] ?? 0, true);
        return new Uint8Array(view.buffer.slice(0));
      });
    },
  };
}

const INITIAL = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
const SHIFTS = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

// Memory: the state (four vectors), then a lane's input after another. A page is 64 KiB.
const PAGE = 65536;
const FIRST_INPUT = 64;
function inputAt(lane: number): number {
  return FIRST_INPUT + lane * LANE_BYTES;
}

// WebAssembly's binary format: https://webassembly.github.io/spec/core/binary/
const I32 = 0x7f, V128 = 0x7b;
const GET = 0x20, SET = 0x21, TEE = 0x22, I32_CONST = 0x41, I32_ADD = 0x6a, I32_SUB = 0x6b, I32_EQZ = 0x45;
const VECTOR = 0xfd;
const LOAD = 0, STORE = 11, CONST = 12, SHUFFLE = 13, OR = 80, XOR = 81, NOT = 77;
const BITSELECT = 82, SHL = 171, SHR = 173, ADD = 174;

/** The module: `run(blocks)` hashes so many blocks of each input into the state. */
function assemble(): Uint8Array<ArrayBuffer> {
  const section = (id: number, ...bytes: number[]) => [id, ...unsigned(bytes.length), ...bytes];
  const body = functionBody();
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, 1, I32, 0),
    ...section(3, 1, 0),
    ...section(5, 1, 0, ...unsigned(Math.ceil((FIRST_INPUT + LANES * LANE_BYTES) / PAGE))),
    ...section(7, 2, ...exported("run", 0, 0), ...exported("memory", 2, 0)),
    ...section(10, 1, ...unsigned(body.length), ...body),
  ]);
}

function exported(name: string, kind: number, index: number): number[] {
  return [name.length, ...new TextEncoder().encode(name), kind, index];
}

// Locals: the parameter, the place in the inputs, then vectors: a b c d, those before the block, the block's words, and four for turning.
const BLOCKS = 0, AT = 1, A = 2, BEFORE = 6, WORDS = 10, TURN = 26;

function functionBody(): number[] {
  const vector = (code: number, ...more: number[]) => [VECTOR, ...unsigned(code), ...more];
  const get = (local: number) => [GET, local];
  const set = (local: number) => [SET, local];
  const at = (offset: number) => [4, ...unsigned(offset)];
  const loadState = (n: number) => [I32_CONST, 0, ...vector(LOAD, ...at(n * 16)), ...set(A + n)];
  const storeState = (n: number) => [I32_CONST, 0, ...get(A + n), ...vector(STORE, ...at(n * 16))];
  const mix = (x: number, y: number, lanes: readonly number[]) => [
    ...get(x),
    ...get(y),
    ...vector(SHUFFLE, ...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte))),
  ];

  /** Four words of each of four messages, turned: each vector then holds one word of all. */
  const turn = (group: number): number[] => {
    const words = WORDS + group * 4;
    const loads = [0, 1, 2, 3].flatMap((lane) => [
      ...get(AT),
      ...vector(LOAD, ...at(inputAt(lane) + group * 16)),
      ...set(words + lane),
    ]);
    return [
      ...loads,
      ...[...mix(words, words + 1, [0, 4, 1, 5]), ...set(TURN)],
      ...[...mix(words, words + 1, [2, 6, 3, 7]), ...set(TURN + 1)],
      ...[...mix(words + 2, words + 3, [0, 4, 1, 5]), ...set(TURN + 2)],
      ...[...mix(words + 2, words + 3, [2, 6, 3, 7]), ...set(TURN + 3)],
      ...[...mix(TURN, TURN + 2, [0, 1, 4, 5]), ...set(words)],
      ...[...mix(TURN, TURN + 2, [2, 3, 6, 7]), ...set(words + 1)],
      ...[...mix(TURN + 1, TURN + 3, [0, 1, 4, 5]), ...set(words + 2)],
      ...[...mix(TURN + 1, TURN + 3, [2, 3, 6, 7]), ...set(words + 3)],
    ];
  };

  const step = (n: number): number[] => {
    const round = n >> 4;
    const [a, b, c, d] = [0, 1, 2, 3].map((i) => A + (i + 64 - n) % 4) as [number, number, number, number];
    const word = [n, 5 * n + 1, 3 * n + 5, 7 * n].map((w) => w % 16)[round] ?? 0;
    const shift = SHIFTS[round]?.[n % 4] ?? 0;
    const constant = Math.floor(Math.abs(Math.sin(n + 1)) * 2 ** 32);
    const functions = [
      [...get(c), ...get(d), ...get(b), ...vector(BITSELECT)],
      [...get(b), ...get(c), ...get(d), ...vector(BITSELECT)],
      [...get(b), ...get(c), ...vector(XOR), ...get(d), ...vector(XOR)],
      [...get(d), ...vector(NOT), ...get(b), ...vector(OR), ...get(c), ...vector(XOR)],
    ];
    const bytes = [0, 8, 16, 24].map((bits) => constant / 2 ** bits & 255);
    return [
      ...[...get(a), ...get(WORDS + word), ...vector(ADD)],
      ...[...vector(CONST, ...bytes, ...bytes, ...bytes, ...bytes), ...vector(ADD)],
      ...[...functions[round] ?? [], ...vector(ADD), TEE, a],
      ...[I32_CONST, ...signed(shift), ...vector(SHL)],
      ...[...get(a), I32_CONST, ...signed(32 - shift), ...vector(SHR), ...vector(OR)],
      ...[...get(b), ...vector(ADD), ...set(a)],
    ];
  };

  const four = [0, 1, 2, 3];
  const code = [
    ...four.flatMap(loadState),
    ...[0x02, 0x40, 0x03, 0x40], // block, loop
    ...[...get(BLOCKS), I32_EQZ, 0x0d, 1], // leave the block when none is left
    ...four.flatMap(turn),
    ...four.flatMap((n) => [...get(A + n), ...set(BEFORE + n)]),
    ...Array.from({ length: 64 }, (_, n) => step(n)).flat(),
    ...four.flatMap((n) => [...get(A + n), ...get(BEFORE + n), ...vector(ADD), ...set(A + n)]),
    ...[...get(AT), I32_CONST, ...signed(BLOCK), I32_ADD, ...set(AT)],
    ...[...get(BLOCKS), I32_CONST, 1, I32_SUB, ...set(BLOCKS)],
    ...[0x0c, 0, 0x0b, 0x0b], // again
    ...four.flatMap(storeState),
    0x0b,
  ];
  return [2, 1, I32, TURN + 4 - A, V128, ...code];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [value & 127 | 128, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  return value >= -64 && value < 64 ? [value & 127] : [value & 127 | 128, ...signed(value >> 7)];
}
