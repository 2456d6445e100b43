import { keepSecret, redact } from "../log/redact.ts";
import { log } from "../log/logger.ts";
import { readRegularText } from "../os/read_regular_file.ts";
import type { TransferEvent } from "../transfer/types.ts";
import { type ArtifactStatus, ArtifactTally } from "./artifact_status.ts";

/** Tells a Kubernetes AIMArtifact how its download goes. Nothing here throws, nor makes the download wait. */
export interface ArtifactReporter {
  /** The source has said how much there is. */
  onListed(bytes: number): void;
  onEvent(event: TransferEvent): void;
  /** Reading goes on in another way. */
  onProtocol(protocol: string): void;
  /** All is there and proven: tells so, trying a few times. */
  finish(): Promise<void>;
  /** It failed: tells so, once. */
  fail(message: string): Promise<void>;
  /** Stops telling; what is on its way is given up. */
  close(): void;
}

export interface ArtifactReporterOptions {
  /** Ways of reading, in the order tried; at least one. */
  readonly protocols: readonly string[];
  /** Bytes that are expected until the source has said its own number. @default {0} */
  readonly expected?: number | undefined;
  /** Where the pod's service account is mounted. @default {AIM_SERVICE_ACCOUNT_DIR, else Kubernetes' own place} */
  readonly serviceAccount?: string | undefined;
  /** Milliseconds between two reports, at least. @default {5000} */
  readonly interval?: number | undefined;
  /** Milliseconds for the report of success, with all its attempts. @default {3000} */
  readonly patience?: number | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ */
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const INTERVAL = 5000;
const PATIENCE = 3000;
/** A report on the way is given up after so many ms. */
const REPORT_TIMEOUT = 5000;
/** A failed download ends soon after, and after SIGTERM within 2 s. */
const FAILURE_TIMEOUT = 1000;
const RETRY_DELAY = 300;
/** Of a message, in characters. */
const MESSAGE = 1000;

/**
 * Opens the reporter, where `ARTIFACT_NAME` and `ARTIFACT_NAMESPACE` name an AIMArtifact and the pod has a service account;
 * `null` otherwise. Reports are merge patches of the status subresource. `AIM_SERVICE_ACCOUNT_DIR` names another place of `token` and
 * `ca.crt`.
 */
export async function artifactReporter(
  env: Environment,
  options: ArtifactReporterOptions,
): Promise<ArtifactReporter | null> {
  const url = statusUrl(env);
  if (url === null) return null;
  const directory = options.serviceAccount ?? (env.AIM_SERVICE_ACCOUNT_DIR || SERVICE_ACCOUNT);
  const send = await openSender(url, directory);
  if (send === null) return null;
  return new Reporter(send, new ArtifactTally(options.protocols, options.expected ?? 0), options);
}

/** Where the status lies; `null` where this is no pod of an artifact. */
function statusUrl(env: Environment): URL | null {
  const { ARTIFACT_NAME: name, ARTIFACT_NAMESPACE: namespace, KUBERNETES_SERVICE_HOST: host } = env;
  if (!name || !namespace) return null;
  if (!host) {
    log.debug("no progress to Kubernetes: KUBERNETES_SERVICE_HOST is not set");
    return null;
  }
  const port = env.KUBERNETES_SERVICE_PORT_HTTPS || env.KUBERNETES_SERVICE_PORT || "443";
  const origin = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const [inside, artifact] = [namespace, name].map(encodeURIComponent);
  try {
    return new URL(
      `${origin}/apis/aim.eai.amd.com/v1alpha1/namespaces/${inside}/aimartifacts/${artifact}/status`,
    );
  } catch {
    log.warn(`no progress to Kubernetes: ${origin} is no address`);
    return null;
  }
}

interface Sender {
  /** One patch; rejects where it was not taken. */
  patch(status: ArtifactStatus, signal: AbortSignal): Promise<void>;
  close(): void;
}

async function openSender(url: URL, directory: string): Promise<Sender | null> {
  let client: Deno.HttpClient;
  try {
    // Looked at once, so that a pod without service account costs no attempt.
    await Deno.stat(`${directory}/token`);
    const authority = await mountedText(`${directory}/ca.crt`);
    if (!authority.includes("-----BEGIN CERTIFICATE-----")) throw new Error("ca.crt holds no certificate");
    client = Deno.createHttpClient({ caCerts: [authority] });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      log.debug("no progress to Kubernetes: no service account is mounted", { directory });
    } else {
      log.warn("no progress to Kubernetes: the service account cannot be used", {
        directory,
        reason: reasonOf(error),
      });
    }
    return null;
  }
  return {
    async patch(status, signal) {
      // Kubernetes renews the token while the pod runs.
      const token = (await mountedText(`${directory}/token`)).trim();
      keepSecret(token);
      const response = await fetch(url, {
        method: "PATCH",
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/merge-patch+json",
          accept: "application/json",
        },
        body: JSON.stringify({ status }),
        redirect: "manual",
        client,
        signal,
      });
      await response.body?.cancel();
      if (!response.ok) throw new Refused(response.status);
    },
    close: () => client.close(),
  };
}

/** The server has answered, and taken nothing. */
class Refused extends Error {
  /** Another attempt may be taken. */
  readonly passing: boolean;
  constructor(status: number) {
    super(`status ${status}`);
    this.passing = status === 429 || status >= 500;
  }
}

class Reporter implements ArtifactReporter {
  readonly #send: Sender;
  readonly #tally: ArtifactTally;
  readonly #patience: number;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #stop = new AbortController();
  #underWay = false;
  #last = "";
  #warned = false;
  #closed = false;

  constructor(send: Sender, tally: ArtifactTally, options: ArtifactReporterOptions) {
    this.#send = send;
    this.#tally = tally;
    this.#patience = options.patience ?? PATIENCE;
    this.#timer = setInterval(() => this.#report(), options.interval ?? INTERVAL);
    Deno.unrefTimer(this.#timer);
    this.#report();
  }

  onListed(bytes: number): void {
    this.#tally.listed(bytes);
  }

  onEvent(event: TransferEvent): void {
    this.#tally.add(event);
  }

  onProtocol(protocol: string): void {
    this.#tally.goOnBy(protocol);
  }

  async finish(): Promise<void> {
    this.#tally.end(true, "Complete");
    // A server that took no report before is not waited for.
    await this.#tellEnd(this.#patience, this.#warned ? 1 : Infinity);
  }

  async fail(message: string): Promise<void> {
    this.#tally.end(false, redact(message).slice(0, MESSAGE));
    await this.#tellEnd(FAILURE_TIMEOUT, 1);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#stop.abort();
    this.#send.close();
  }

  /** One report in the background, unless one is under way or nothing is new. */
  #report(): void {
    const status = this.#tally.status();
    const text = JSON.stringify(status);
    if (this.#underWay || text === this.#last) return;
    this.#underWay = true;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(REPORT_TIMEOUT)]);
    this.#send.patch(status, signal)
      .then(() => this.#last = text, (error) => this.#stop.signal.aborted || this.#complain(error))
      .finally(() => this.#underWay = false);
  }

  /** The last report: what is on the way would come after it, so that is given up. */
  async #tellEnd(patience: number, attempts: number): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    const limit = AbortSignal.timeout(patience);
    for (let attempt = 1; attempt <= attempts; attempt++) {
      try {
        return await this.#send.patch(this.#tally.status(), limit);
      } catch (error) {
        this.#complain(error);
        if (error instanceof Refused && !error.passing) return;
      }
      if (limit.aborted || attempt === attempts) return;
      await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY));
      if (limit.aborted) return;
    }
  }

  #complain(error: unknown): void {
    const say = this.#warned ? log.debug : log.warn;
    this.#warned = true;
    say("the download's progress could not be told to Kubernetes", { reason: reasonOf(error) });
  }
}

/** @throws {Error} Saying why it cannot be read. */
async function mountedText(path: string): Promise<string> {
  const read = await readRegularText(path);
  if (read.kind === "ok") return read.value;
  throw new Error(`cannot read ${path}: ${read.kind === "absent" ? "there is no such file" : read.reason}`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
