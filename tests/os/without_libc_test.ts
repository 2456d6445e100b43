import { assertEquals, assertThrows } from "@std/assert";
import { AimError } from "../../src/errors/aim_error.ts";
import { filesBelow } from "../../src/os/files_below.ts";
import { kernelFiles } from "../../src/os/kernel_files.ts";

Deno.test({
  name: "without the C library, nothing can be written, and reading kernel files fails with the reason",
  permissions: { ffi: false },
  fn() {
    assertEquals(assertThrows(() => filesBelow("/tmp"), AimError).kind, "no-space");
    const read = kernelFiles().text("/proc/self/stat");
    assertEquals(read.kind === "failed" && /ffi/.test(read.reason), true);
  },
});
