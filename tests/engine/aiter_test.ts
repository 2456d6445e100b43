import { assertEquals, assertStringIncludes } from "@std/assert";
import { configureLog } from "../../src/log/logger.ts";
import { copyAiterKernels } from "../../src/engine/copy_aiter_kernels.ts";

Deno.test("a GPU's prebuilt kernels that the installed package lacks are copied into it", async () => {
  const root = await Deno.makeTempDir();
  const jit = `${root}/lib/python3.12/site-packages/aiter/jit`;
  const built = `${root}/prebuilt/gfx942`;
  for (const folder of [`${root}/bin`, jit, built]) await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${root}/bin/python3.12`, "x", { mode: 0o755 });
  await Deno.writeTextFile(`${jit}/../__init__.py`, "");
  await Deno.writeTextFile(`${jit}/a.so`, "its own");
  for (const name of ["a.so", "b.so", "notes.txt"]) await Deno.writeTextFile(`${built}/${name}`, "prebuilt");
  const kernels = () => [...Deno.readDirSync(jit)].map(({ name }) => name).sort();
  const copy = (model: string) => copyAiterKernels(model, `${root}/bin/python3.12`, {}, `${root}/prebuilt`);
  await copy("MI355X");
  assertEquals(kernels(), ["a.so"]);
  await copy("MI300X");
  assertEquals(kernels(), ["a.so", "b.so"]);
  assertEquals(await Deno.readTextFile(`${jit}/a.so`), "its own");
  await Deno.remove(`${root}/lib/python3.12/site-packages/aiter`, { recursive: true });
  const lines: string[] = [];
  configureLog({ write: (line) => lines.push(line) });
  await copy("MI300X");
  assertEquals(lines.length, 1);
  assertStringIncludes(lines.join(), "has no package aiter");
  await Deno.remove(root, { recursive: true });
});
