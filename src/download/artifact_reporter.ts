import { keepSecret, redact } from "../log/redact.ts";
import { log } from "../log/logger.ts";
import { readRegularText } from "../os/read_regular_file.ts";
import { ArtifactTally } from "./artifact_status.ts";

export interface ArtifactReporterOptions {
  /** In the order in which they are tried; at least one. */
  readonly protocols: readonly string[];
  /** Expected bytes, until the source has listed its files. @default {0} */
  readonly expected?: number | undefined;
  /** Minimum milliseconds between two reports. @default {5000} */
  readonly interval?: number | undefined;
}

/** https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ */
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Milliseconds; after SIGTERM, the process must end within 2 s. */
const LIMITS = { interval: 5000, report: 5000, success: 3000, failure: 1000, retry: 300 } as const;
const MESSAGE = 1000;

/**
 * Opens the reporter if `ARTIFACT_NAME` and `ARTIFACT_NAMESPACE` name an AIMArtifact and the pod has a
 * service account (`AIM_SERVICE_ACCOUNT_DIR` names another directory of `token` and `ca.crt`). Reports are
 * merge patches of the status.
 */
export async function artifactReporter(
  env: Readonly<Record<string, string | undefined>>,
  options: ArtifactReporterOptions,
): Promise<ArtifactReporter | null> {
  const { ARTIFACT_NAME: name, ARTIFACT_NAMESPACE: namespace, KUBERNETES_SERVICE_HOST: host } = env;
  if (!name || !namespace) return null;
  const directory = env.AIM_SERVICE_ACCOUNT_DIR || SERVICE_ACCOUNT;
  try {
    if (!host) throw new Deno.errors.NotFound("KUBERNETES_SERVICE_HOST is not set");
    const port = env.KUBERNETES_SERVICE_PORT_HTTPS || env.KUBERNETES_SERVICE_PORT || "443";
    const [inside, artifact] = [namespace, name].map(encodeURIComponent);
    const path = `/apis/aim.eai.amd.com/v1alpha1/namespaces/${inside}/aimartifacts/${artifact}/status`;
    const url = new URL(`https://${host.includes(":") ? `[${host}]` : host}:${port}${path}`);
    await Deno.stat(`${directory}/token`);
    const authority = await mountedText(`${directory}/ca.crt`);
    if (!authority.includes("-----BEGIN CERTIFICATE-----")) {
      throw new Error("ca.crt has no certificate in it");
    }
    const client = Deno.createHttpClient({ caCerts: [authority] });
    return new ArtifactReporter({ url, directory, client }, options);
  } catch (error) {
    // Without an address or a service account, this is not a pod.
    const write = error instanceof Deno.errors.NotFound ? log.debug : log.warn;
    write("not reporting progress to Kubernetes", { directory, reason: reasonOf(error) });
    return null;
  }
}

interface Server {
  readonly url: URL;
  readonly directory: string;
  readonly client: Deno.HttpClient;
}

/** Reports a download's progress to a Kubernetes AIMArtifact. Never throws, and never delays the download. */
class ArtifactReporter implements Disposable {
  readonly tally: ArtifactTally;
  readonly #server: Server;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #stop = new AbortController();
  #sending = false;
  #last = "";
  #warned = false;

  constructor(server: Server, options: ArtifactReporterOptions) {
    this.#server = server;
    this.tally = new ArtifactTally(options.protocols, options.expected ?? 0);
    this.#timer = setInterval(() => this.#report(), options.interval ?? LIMITS.interval);
    Deno.unrefTimer(this.#timer);
    this.#report();
  }

  /**
   * Reports that the model is complete, with retries, or a failure. Aborts an earlier report, so that this is
   * the last one.
   */
  async end(failure: string | null): Promise<void> {
    this.tally.end(failure === null, failure === null ? "Complete" : redact(failure).slice(0, MESSAGE));
    clearInterval(this.#timer);
    this.#stop.abort();
    const limit = AbortSignal.timeout(failure === null ? LIMITS.success : LIMITS.failure);
    // A server that has refused reports before gets only one attempt.
    const retries = failure === null && !this.#warned;
    while (!await this.#send(limit) && retries && !limit.aborted) {
      await new Promise((resolve) => setTimeout(resolve, LIMITS.retry));
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#stop.abort();
    this.#server.client.close();
  }

  /** Reports in the background, unless a report is being sent or nothing has changed. */
  async #report(): Promise<void> {
    const text = JSON.stringify(this.tally.status());
    if (this.#sending || text === this.#last) return;
    this.#sending = true;
    if (await this.#send(AbortSignal.timeout(LIMITS.report), this.#stop.signal)) this.#last = text;
    this.#sending = false;
  }

  /** Sends a report; `false` if the server may accept it later. @param stop Aborts it without a warning. */
  async #send(limit: AbortSignal, stop?: AbortSignal): Promise<boolean> {
    const { url, directory, client } = this.#server;
    try {
      // Kubernetes renews the token while the pod runs.
      const token = (await mountedText(`${directory}/token`)).trim();
      keepSecret(token);
      const { body, ok, status } = await fetch(url, {
        method: "PATCH",
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/merge-patch+json",
          accept: "application/json",
        },
        body: JSON.stringify({ status: this.tally.status() }),
        redirect: "manual",
        client,
        signal: stop === undefined ? limit : AbortSignal.any([limit, stop]),
      });
      await body?.cancel();
      if (!ok) this.#complain(`status ${status}`);
      return ok || status < 500 && status !== 429;
    } catch (error) {
      if (stop?.aborted !== true) this.#complain(reasonOf(error));
      return false;
    }
  }

  #complain(reason: string): void {
    const write = this.#warned ? log.debug : log.warn;
    this.#warned = true;
    write("cannot report the download's progress to Kubernetes", { reason });
  }
}

/** @throws {Error} with the reason. */
async function mountedText(path: string): Promise<string> {
  const read = await readRegularText(path);
  if (read.kind === "ok") return read.value;
  throw new Error(`cannot read ${path}: ${read.reason}`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
