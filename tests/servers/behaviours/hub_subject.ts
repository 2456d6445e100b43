import { redirectTarget } from "../../../src/sources/transport/redirect.ts";
import { Transport } from "../../../src/sources/transport/transport.ts";
import { type HubServer, startHub } from "../hub_server.ts";
import { type ModelKey, MODELS } from "./models.ts";
import type { Subject } from "./server_row.ts";

interface Front extends AsyncDisposable {
  readonly url: string;
  /** Variables to use instead of `HF_ENDPOINT`. */
  readonly env?: Readonly<Record<string, string>>;
}

const ID = (model: string) => `org/${model}`;

/**
 * The test hub with all models, behind a proxy or mirror.
 *
 * @param front Starts the proxy or mirror; resolves to its URL for `HF_ENDPOINT`, to variables that name it,
 * or to the reason why it cannot start.
 */
export async function hubSubject(
  front?: (
    hub: HubServer,
  ) => Promise<Front | { readonly skip: string }>,
): Promise<Subject | { readonly skip: string }> {
  const repos = Object.entries(MODELS).map(([model, files]) => ({
    id: ID(model),
    files,
    private: true,
    allowed: ["hf_known"],
  }));
  const hub = await startHub({ repos });
  const started = await front?.(hub);
  if (started !== undefined && "skip" in started) {
    await hub.close();
    return started;
  }
  const way = started?.env ?? (started === undefined ? {} : { HF_ENDPOINT: started.url });
  const env = { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_known", ...way };
  return {
    env,
    reference: (model: ModelKey) => `hf://${ID(model)}`,
    missing: `hf://${ID("missing")}`,
    unknownCredentials: { ...env, HF_TOKEN: "hf_stranger" },
    underOtherEtag: async () => {
      const transport = new Transport({ env, connections: 1 });
      try {
        let url = new URL(`${env.HF_ENDPOINT}/${ID("weights")}/resolve/main/model.safetensors`);
        for (let token: Record<string, string> = { authorization: `Bearer ${env.HF_TOKEN}` };; token = {}) {
          const response = await transport.fetch(url, { headers: { ...token, "if-match": '"another"' } });
          await response.body?.cancel();
          const target = redirectTarget(response, url);
          if (target === null) return response.status;
          url = target;
        }
      } finally {
        transport.close();
      }
    },
    replace: async (path, bytes) => void await hub.push(ID("changing"), path, bytes),
    async [Symbol.asyncDispose]() {
      await started?.[Symbol.asyncDispose]();
      await hub.close();
    },
  };
}
