import type { Certificates } from "./certificates.ts";

/** A request. */
export interface SeenPatch {
  readonly method: string;
  readonly path: string;
  readonly contentType: string | null;
  readonly authorization: string | null;
  /** The body's JSON. */
  readonly body: unknown;
  /** Milliseconds since the server started. */
  readonly at: number;
}

/** The part of a Kubernetes API server that receives a download's progress, over TLS. */
export interface KubernetesApi extends AsyncDisposable {
  readonly port: number;
  readonly patches: SeenPatch[];
  /** A service account directory as Kubernetes mounts it: `token` and `ca.crt`. */
  readonly serviceAccount: string;
  /** The environment of a pod. */
  readonly env: Readonly<Record<string, string>>;
  /** Status of responses; `null`: never responds. Can be changed at any time. */
  status: number | null;
}

/**
 * Listens on 127.0.0.1.
 *
 * @param trusted The authority in the service account's `ca.crt`. @default {the server's authority}
 */
export async function startKubernetesApi(
  certificates: Certificates,
  trusted: Certificates = certificates,
): Promise<KubernetesApi> {
  const started = performance.now();
  const patches: SeenPatch[] = [];
  const serviceAccount = await Deno.makeTempDir({ prefix: "aim-account-" });
  await Deno.writeTextFile(`${serviceAccount}/token`, "token-one\n");
  await Deno.writeTextFile(`${serviceAccount}/ca.crt`, trusted.ca);
  const hanging = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, ...certificates.tls, onListen() {} },
    async (request) => {
      const { pathname: path } = new URL(request.url);
      patches.push({
        method: request.method,
        path,
        contentType: request.headers.get("content-type"),
        authorization: request.headers.get("authorization"),
        body: await request.json(),
        at: performance.now() - started,
      });
      if (api.status === null) {
        await new Promise<void>((resolve) => hanging.signal.addEventListener("abort", () => resolve()));
      }
      return new Response("{}", { status: api.status ?? 500 });
    },
  );
  const api: KubernetesApi = {
    port: server.addr.port,
    patches,
    serviceAccount,
    status: 200,
    env: {
      KUBERNETES_SERVICE_HOST: "127.0.0.1",
      KUBERNETES_SERVICE_PORT: `${server.addr.port}`,
      AIM_SERVICE_ACCOUNT_DIR: serviceAccount,
      ARTIFACT_NAME: "llama",
      ARTIFACT_NAMESPACE: "models",
    },
    async [Symbol.asyncDispose]() {
      hanging.abort();
      await server.shutdown();
      await Deno.remove(serviceAccount, { recursive: true });
    },
  };
  return api;
}
