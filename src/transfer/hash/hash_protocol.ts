import type { DigestSpec } from "./digests.ts";
import type { ComputedDigests } from "../types.ts";

/** What the pool tells a hash worker. Bytes of a file up to `advance` may be read. */
export type HashRequest =
  | {
    readonly type: "open";
    readonly id: number;
    readonly path: string;
    readonly size: number;
    readonly specs: readonly DigestSpec[];
  }
  | { readonly type: "advance"; readonly id: number; readonly to: number }
  | { readonly type: "cancel"; readonly id: number };

/** What a hash worker answers. */
export type HashReply =
  | { readonly type: "hashed"; readonly id: number; readonly at: number }
  | { readonly type: "done"; readonly id: number; readonly digests: ComputedDigests }
  | { readonly type: "failed"; readonly id: number; readonly message: string };
