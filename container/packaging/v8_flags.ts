/**
 * V8 flags for both forms of the executable. The semi-space is 4 MiB instead of 1, so that a short command
 * ends before the first collection; it does not grow, so that a long download takes no more memory than a
 * short one. Functions are compiled when their file is loaded, because only then does Deno's code cache
 * contain them for the next start. Source: `deno --v8-flags=--help`; measured by `deno task bench start
 * memory`.
 */
export const V8_FLAGS = "--v8-flags=--min-semi-space-size=4,--max-semi-space-size=4,--no-lazy";
