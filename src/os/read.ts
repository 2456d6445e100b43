/** The value that was read, or why there is none: `absent` if the path does not exist. The reason is a clause. */
export type Read<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "absent"; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: string; readonly cause?: unknown };

export const ABSENT = { kind: "absent", reason: "no such file" } as const;
