import { startStaticHub, type StaticHub, type StaticModel } from "./static_hub.ts";

const CONFIG = new URL("../../deno.json", import.meta.url).pathname;
const RELAY = new URL("slow_link.ts", import.meta.url).pathname;

/** A local hub whose large files arrive over a link with a round trip of 100 ms (`slow_link.ts`). */
export async function startFarHub(
  directory: string,
  files: StaticModel["files"],
  name: string,
): Promise<StaticHub> {
  const model = { id: "org/model", directory, files, redirect: true };
  const there = await startStaticHub([model]);
  const far = new URL(there.fileUrl("org/model", name));
  const relay = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-P", `--config=${CONFIG}`, RELAY, far.port],
    stdout: "piped",
  }).spawn();
  const reader = relay.stdout.getReader();
  const port = new TextDecoder().decode((await reader.read()).value).trim();
  reader.releaseLock();
  const here = await startStaticHub([model], {
    cdn: `http://127.0.0.1:${port}`,
    cdnPath: far.pathname.replace(/\/[^/]*$/, ""),
  });
  return {
    url: here.url,
    fileUrl: (id, path) => there.fileUrl(id, path).replace(`:${far.port}/`, `:${port}/`),
    async [Symbol.asyncDispose]() {
      relay.kill("SIGTERM");
      await relay.status;
      await relay.stdout.cancel();
      await here[Symbol.asyncDispose]();
      await there[Symbol.asyncDispose]();
    },
  };
}
