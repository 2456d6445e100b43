// Types for the parts of Deno's standard library that only tests and packaging import (see
// src/types/std.d.ts).

declare module "@std/path" {
  export function relative(from: string, to: string): string;
  export function fromFileUrl(url: string | URL): string;
}

declare module "@std/cli/parse-args" {
  export function parseArgs(
    args: string[],
    options?: {
      boolean?: string[];
      string?: string[];
      collect?: string[];
      alias?: Record<string, string | string[]>;
      stopEarly?: boolean;
      "--"?: boolean;
      unknown?: (arg: string, key?: string, value?: unknown) => unknown;
    },
  ): { _: (string | number)[]; [name: string]: unknown };
}

declare module "@std/assert" {
  export function assert(value: unknown, message?: string): asserts value;
  export function assertEquals<T>(actual: T, expected: T, message?: string): void;
  export function assertNotEquals<T>(actual: T, expected: T, message?: string): void;
  export function assertMatch(actual: string, expected: RegExp, message?: string): void;
  export function assertStringIncludes(actual: string, expected: string, message?: string): void;
  export function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void;
  export function assertThrows<E extends Error = Error>(
    fn: () => unknown,
    errorClass?: new (...args: never[]) => E,
    messageIncludes?: string,
    message?: string,
  ): E;
  export function assertRejects<E extends Error = Error>(
    fn: () => PromiseLike<unknown>,
    errorClass?: new (...args: never[]) => E,
    messageIncludes?: string,
    message?: string,
  ): Promise<E>;
}
