import { assert, assertEquals } from "@std/assert";
import { AimError } from "../../../src/errors/aim_error.ts";
import type { ByteRange, Digest, ManifestFile } from "../../../src/sources/manifest.ts";
import { parseModelRef } from "../../../src/sources/model_ref.ts";
import { openSource } from "../../../src/sources/open_source.ts";
import {
  type RangeBody,
  type Source,
  SourceChangedError,
  TransientError,
} from "../../../src/sources/source.ts";
import { digestMatches, digestsOf, digestSpecs, isGuess } from "../../../src/transfer/hash/digests.ts";
import { aim } from "../../cli/aim.ts";
import { streamOf } from "../../sources/stream_of.ts";
import { type ModelFiles, type ModelKey, MODELS } from "./models.ts";
import type { Subject } from "./server_row.ts";

/** A way in which servers differ: a column of the table in the README. */
export interface Behaviour {
  /** The column's name. */
  readonly name: string;
  /** The column's meaning, for the legend of the table. */
  readonly says: string;
  /**
   * Tries it with aim's sources. Throws if aim handles it wrongly.
   *
   * @returns How the server behaves, in a word or two.
   */
  try(subject: Subject): Promise<string>;
}

const SIGNAL = new AbortController().signal;

/** All behaviours. Servers are rows: a new server is one row, a new behaviour one column. */
export const BEHAVIOURS: readonly Behaviour[] = [
  {
    name: "names",
    says:
      "names with spaces, `%25`, `#`, `?` and non-ASCII letters, and empty files, are listed and read correctly",
    try: async (subject) => {
      await using model = await open(subject, "names");
      const { files } = await model.source.manifest();
      assertEquals(files.map((f) => f.path as string).toSorted(), Object.keys(MODELS.names).toSorted());
      for (const file of files) await assertBytes(model.source, file, MODELS.names);
      return "all";
    },
  },
  {
    name: "pages",
    says: "a model of 1,001 files is listed completely",
    try: async (subject) => {
      await using model = await open(subject, "pages");
      assertEquals((await model.source.manifest()).files.length, 1001);
      return "all";
    },
  },
  {
    name: "ranges",
    says: "whether a request for a part of a file returns that part or all of the file",
    try: async (subject) => {
      await using model = await open(subject, "weights");
      const file = await fileOf(model.source, "model.safetensors");
      const wanted = { start: 5_000_000, end: 5_100_001 };
      const got = await read(model.source, file, wanted);
      const bytes = await new Response(streamOf(got)).bytes();
      assertEquals(bytes, MODELS.weights["model.safetensors"].slice(got.range.start, got.range.end));
      return got.range.start === wanted.start && got.range.end === wanted.end ? "the part" : "all";
    },
  },
  {
    name: "small digest",
    says: "digest of a small file; - if there is only its size",
    try: (subject) => provenBy(subject, "config.json"),
  },
  {
    name: "large digest",
    says:
      "digest of a large file, in S3 uploaded in parts of an unusual size; (guess) if the server does not report " +
      "the part sizes",
    try: (subject) => provenBy(subject, "model.safetensors"),
  },
  {
    name: "condition",
    says: "status of the response to a request for another ETag (If-Match)",
    try: async (subject) => `${await subject.underOtherEtag()}`,
  },
  {
    name: "replaced",
    says: "what happens if a file is replaced after it was listed",
    try: async (subject) => {
      await using model = await open(subject, "changing");
      const file = await fileOf(model.source, "config.json");
      await subject.replace("config.json", new TextEncoder().encode(`after ${crypto.randomUUID()}`));
      try {
        const got = await read(model.source, file, { start: 0, end: 3 });
        const text = await new Response(streamOf(got)).text();
        // A hub still serves the commit that was listed.
        assert(text.startsWith("bef"), "the new file was read as the old one");
        return "old file served";
      } catch (error) {
        assert(error instanceof SourceChangedError, String(error));
        return "noticed";
      }
    },
  },
  {
    name: "download",
    says: "aim fetch downloads the same bytes, and a second run downloads nothing",
    try: async (subject) => {
      const directory = await Deno.makeTempDir();
      try {
        const args = ["fetch", subject.reference("weights"), `${directory}/m`, "--format", "json"];
        const env = { ...subject.env, HF_HOME: `${directory}/home` };
        const first = await aim(args, { env });
        assertEquals(first.code, 0, first.stderr);
        for (const [path, bytes] of Object.entries(MODELS.weights)) {
          assertEquals(await Deno.readFile(`${directory}/m/${path}`), bytes, path);
        }
        const again = await aim(args, { env });
        assertEquals(again.code, 0, again.stderr);
        assertEquals(JSON.parse(again.stdout).bytesMoved, 0);
        return "same bytes";
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  },
  {
    name: "missing",
    says: "kind of error for a missing model",
    try: (subject) => refusal(subject.missing, subject.env),
  },
  {
    name: "credentials",
    says: "kind of error for unknown credentials",
    try: (subject) => refusal(subject.reference("weights"), subject.unknownCredentials),
  },
];

interface Opened extends AsyncDisposable {
  readonly source: Source;
}

async function open(subject: Subject, model: ModelKey): Promise<Opened> {
  return await openUri(subject.reference(model), subject.env);
}

async function openUri(uri: string, env: Readonly<Record<string, string>>): Promise<Opened> {
  const source = await openSource(parseModelRef(uri), {
    hfEndpoint: env.HF_ENDPOINT ?? "http://127.0.0.1:1",
    hfToken: () => Promise.resolve(env.HF_TOKEN ?? null),
    protocols: ["HTTP"],
    offline: false,
    env,
    connections: 4,
    sleep: () => Promise.resolve(),
  });
  return {
    source,
    [Symbol.asyncDispose]: () => Promise.resolve(source[Symbol.dispose]()),
  };
}

async function fileOf(source: Source, path: string): Promise<ManifestFile> {
  const file = (await source.manifest()).files.find((f) => f.path === path);
  assert(file !== undefined, path);
  return file;
}

/**
 * Retries transient errors, as a transfer does: the server may have closed an idle connection.
 */
async function read(source: Source, file: ManifestFile, range: ByteRange | null): Promise<RangeBody> {
  for (let attempt = 1;; attempt++) {
    try {
      return await source.read(file, range, SIGNAL);
    } catch (error) {
      if (!(error instanceof TransientError) || attempt === 3) throw error;
    }
  }
}

async function assertBytes(source: Source, file: ManifestFile, files: ModelFiles): Promise<void> {
  assertEquals(
    await new Response(streamOf(await read(source, file, null))).bytes(),
    files[file.path],
    file.path,
  );
}

/** The digest's name, after checking that it matches the right bytes only. */
async function provenBy(subject: Subject, path: keyof typeof MODELS.weights): Promise<string> {
  await using model = await open(subject, "weights");
  const { digest } = await fileOf(model.source, path);
  if (digest === null) return "-";
  const bytes = MODELS.weights[path];
  assert(proves(digest, bytes), "the digest does not match the right bytes");
  const middle = bytes.length >> 1;
  assert(!proves(digest, bytes.with(middle, (bytes[middle] ?? 0) ^ 1)), "the digest matches wrong bytes");
  return `${digest.algorithm}${isGuess(digest) ? " (guess)" : ""}`;
}

function proves(digest: Digest, bytes: Uint8Array<ArrayBuffer>): boolean {
  return digestMatches(digest, digestsOf(digestSpecs(digest), bytes));
}

async function refusal(uri: string, env: Readonly<Record<string, string>>): Promise<string> {
  await using model = await openUri(uri, env);
  try {
    await model.source.manifest();
    return "accepted";
  } catch (error) {
    assert(error instanceof AimError, String(error));
    return error.kind;
  }
}
