/** The value that was read, or why there is none: `ENOENT` is `absent`, everything else has a reason. */
export type Read<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly reason: string; readonly cause?: unknown };
