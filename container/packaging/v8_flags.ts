/**
 * V8's flags in both forms of the executable. New objects may fill 4 MiB instead of 1 before the first
 * collection, so that a short command ends before it; and never more, so that a long download takes no more
 * memory than a short one. Functions are compiled when their file is loaded: only then are they in Deno's
 * code cache, which the next start reads. Source: `deno --v8-flags=--help`; measured by `deno task bench
 * start memory`.
 */
export const V8_FLAGS = "--v8-flags=--min-semi-space-size=4,--max-semi-space-size=4,--no-lazy";
