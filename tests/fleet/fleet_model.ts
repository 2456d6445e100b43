import { safetensorsBytes } from "../servers/content.ts";

const SHARD = 24 * 1024 * 1024;

/** A model of three shards and a few small files, by path. */
export const FLEET_FILES: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  "config.json": text('{"model_type":"llama"}\n'),
  "model.safetensors.index.json": text(
    JSON.stringify({
      metadata: { total_size: 3 * SHARD },
      weight_map: { a: shard(1), b: shard(2), c: shard(3) },
    }),
  ),
  "README.md": text("A model of the tests.\n".repeat(500)),
  [shard(1)]: safetensorsBytes(SHARD, 1),
  [shard(2)]: safetensorsBytes(SHARD, 2),
  // Not a multiple of any part or slice size.
  [shard(3)]: safetensorsBytes(SHARD - 12_345, 3),
};

/** Total size of its files. */
export const FLEET_BYTES: number = bytesOf(FLEET_FILES);

/** Total size of files. */
export function bytesOf(files: Readonly<Record<string, Uint8Array>>): number {
  return Object.values(files).reduce((sum, { length }) => sum + length, 0);
}

function shard(n: number): string {
  return `model-0000${n}-of-00003.safetensors`;
}

function text(value: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(value);
}
