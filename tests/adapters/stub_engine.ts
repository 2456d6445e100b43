import { freePort } from "../servers/free_port.ts";

/** A server with vLLM's adapter endpoints. */
export interface StubEngine extends AsyncDisposable {
  readonly url: string;
  /** Adapter paths by name. */
  readonly loaded: ReadonlyMap<string, string>;
  /** Each request as `load NAME`, `replace NAME` or `unload NAME`, and the status of the response. */
  readonly requests: readonly string[];
  /** Answers the next load or unload requests with these statuses. A status other than 200 does nothing. */
  answerWith(...statuses: number[]): void;
  /** Restarts without adapters. */
  restart(): Promise<void>;
}

/** Starts a stub engine on loopback. */
export function stubEngine({ apiKey }: { apiKey?: string } = {}): StubEngine {
  const port = freePort();
  const loaded = new Map<string, string>();
  const requests: string[] = [];
  let answers: number[] = [];
  const handle = async (request: Request): Promise<Response> => {
    if (apiKey !== undefined && request.headers.get("authorization") !== `Bearer ${apiKey}`) {
      return new Response("no key", { status: 401 });
    }
    const path = new URL(request.url).pathname;
    if (path === "/v1/models") {
      return Response.json({ data: ["org/base", ...loaded.keys()].map((id) => ({ id })) });
    }
    const { lora_name: name, lora_path, load_inplace } = await request.json();
    const unload = path === "/v1/unload_lora_adapter";
    const status = answers.shift() ?? (unload && !loaded.has(name) ? 404 : 200);
    requests.push(`${unload ? "unload" : load_inplace ? "replace" : "load"} ${name} ${status}`);
    if (status === 200 && unload) loaded.delete(name);
    else if (status === 200) loaded.set(name, lora_path);
    return new Response("", { status });
  };
  const serve = () => Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, handle);
  let server = serve();
  return {
    url: `http://127.0.0.1:${port}`,
    loaded,
    requests,
    answerWith: (...statuses) => answers = statuses,
    async restart() {
      await server.shutdown();
      loaded.clear();
      server = serve();
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
