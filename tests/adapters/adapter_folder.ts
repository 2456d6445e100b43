/** Writes an adapter's folder: a configuration of this rank, and a few bytes of weights. */
export async function writeAdapter(
  source: string,
  name: string,
  { rank = 8, weights = "adapter_model.safetensors", bytes = 64 }: {
    rank?: unknown;
    weights?: string;
    bytes?: number;
  } = {},
): Promise<void> {
  await Deno.mkdir(`${source}/${name}`, { recursive: true });
  await Deno.writeTextFile(`${source}/${name}/adapter_config.json`, JSON.stringify({ r: rank }));
  await Deno.writeFile(`${source}/${name}/${weights}`, new Uint8Array(bytes));
}
