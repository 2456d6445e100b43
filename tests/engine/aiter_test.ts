import { assertEquals, assertStringIncludes } from "@std/assert";
import { copyAiterKernels } from "../../src/engine/copy_aiter_kernels.ts";

Deno.test("a GPU's prebuilt kernels are copied into the installed package, those that it does not have", async () => {
  const root = await Deno.makeTempDir();
  const jit = `${root}/lib/python3.12/site-packages/aiter/jit`;
  const built = `${root}/prebuilt/gfx942`;
  for (const folder of [`${root}/bin`, jit, built]) await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${root}/bin/python3.12`, "x", { mode: 0o755 });
  await Deno.writeTextFile(`${jit}/../__init__.py`, "");
  await Deno.writeTextFile(`${jit}/a.so`, "its own");
  for (const name of ["a.so", "b.so", "notes.txt"]) await Deno.writeTextFile(`${built}/${name}`, "prebuilt");
  const copy = (model: string) => copyAiterKernels(model, `${root}/bin/python3.12`, {}, `${root}/prebuilt`);
  assertEquals(await copy("MI355X"), { files: 0, warning: null });
  assertEquals(await copy("MI300X"), { files: 1, warning: null });
  assertEquals([...Deno.readDirSync(jit)].map(({ name }) => name).sort(), ["a.so", "b.so"]);
  assertEquals(await Deno.readTextFile(`${jit}/a.so`), "its own");
  await Deno.remove(`${root}/lib/python3.12/site-packages/aiter`, { recursive: true });
  const { files, warning } = await copy("MI300X");
  assertEquals(files, 0);
  assertStringIncludes(warning ?? "", "aiter");
  await Deno.remove(root, { recursive: true });
});
