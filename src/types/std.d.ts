/// <reference lib="deno.ns" />
/// <reference lib="deno.worker" />
// Types for the part of Deno's standard library that aim imports; the npm edition ships none. On JSR, where
// the packages carry their own types, this file and tests/std.d.ts go.

declare module "@std/path" {
  export function join(...parts: string[]): string;
  export function dirname(path: string): string;
  export function basename(path: string, suffix?: string): string;
  export function resolve(...parts: string[]): string;
}
