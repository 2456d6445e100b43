import { assertEquals } from "@std/assert";
import { cString, outcomeOf, treeCalls } from "../../src/os/libc.ts";

const ENOENT = 2, EBADF = 9;
const AT_FDCWD = -100;

Deno.test("a failed call reports its own errno, even if another call changes errno before it is read", () => {
  const libc = treeCalls();
  if ("refused" in libc) throw new Error(libc.refused);
  const { library } = libc;
  const absent = cString("/proc/absent/absent");
  for (const disturbed of [[], [0], [1], [0, 2]]) {
    let tries = 0;
    const outcome = outcomeOf(library, () => {
      const result = library.unlinkat(AT_FDCWD, absent, 0);
      if (disturbed.includes(tries++)) library.close(-1);
      return result;
    });
    assertEquals([disturbed, outcome], [disturbed, -ENOENT]);
  }
  assertEquals(outcomeOf(library, () => library.close(-1)), -EBADF);
});

Deno.test("a call that succeeds is made once", () => {
  const libc = treeCalls();
  if ("refused" in libc) throw new Error(libc.refused);
  let tries = 0;
  assertEquals(outcomeOf(libc.library, () => tries++), 0);
  assertEquals(tries, 1);
});
