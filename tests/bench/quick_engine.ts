/**
 * Makes a stub engine that exits immediately, with an installed vLLM package that is found but never loaded.
 *
 * @returns The variables that aim needs to find it.
 */
export async function quickEngine(bin: string): Promise<{ PATH: string; PYTHONPATH: string }> {
  const modules = `${bin}/modules`;
  await Deno.mkdir(`${modules}/vllm`, { recursive: true });
  await Deno.mkdir(`${modules}/vllm-0.33.0.dist-info`);
  await Deno.writeTextFile(`${modules}/vllm/__init__.py`, "");
  for (const name of ["python", "python3"]) await Deno.symlink("/bin/true", `${bin}/${name}`);
  return { PATH: `${bin}:/usr/bin:/bin`, PYTHONPATH: modules };
}
