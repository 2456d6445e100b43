import { randomBytes } from "../content.ts";

const MIB = 2 ** 20;

/** Paths and bytes of one model. */
export type ModelFiles = Readonly<Record<string, Uint8Array<ArrayBuffer>>>;

/**
 * Part size of S3 uploads, one that no common tool uses; smaller files are uploaded in one piece.
 */
export const PART_SIZE = 6 * MIB;

const text = (content: string) => new TextEncoder().encode(content);

/** The models that every server must have before its behaviours are tried. */
export const MODELS = {
  /** Names that must be escaped in a URL, a file in a directory, an empty file. */
  names: {
    "config.json": text("{}"),
    "a b+c%25#?é.json": text("odd"),
    "sub/日本 (1)!'.txt": text("in a directory"),
    "empty.txt": text(""),
  },
  /** One file more than a page of a list has. */
  pages: Object.fromEntries(
    Array.from({ length: 1001 }, (_, i) => [`f${i}.txt`, text(`content ${i}`)]),
  ),
  weights: {
    "config.json": text("{}"),
    "model.safetensors": randomBytes(13 * MIB + 77, 3),
  },
  /** Replaced while it is read. */
  changing: { "config.json": text("before") },
} as const satisfies Readonly<Record<string, ModelFiles>>;

export type ModelKey = keyof typeof MODELS;
