import { AimError } from "../../errors/aim_error.ts";
import { keepSecret } from "../../log/redact.ts";
import type { SourceOptions } from "../source_options.ts";
import { parseJson } from "../transport/parse_json.ts";
import { MOST_REDIRECTS, redirectTarget } from "../transport/redirect.ts";
import {
  discard,
  isTransientStatus,
  openTransport,
  type Transport,
  type TransportRequest,
} from "../transport/transport.ts";
import { type RegistryLogin, registryLogin } from "./registry_credentials.ts";

/** One repository of a registry. Follows redirects and gets access tokens. */
export interface Registry {
  /** Its host, for messages. */
  readonly host: string;
  /**
   * Asks for a path below `/v2/<repository>/`. The token goes to the registry's own origin and nowhere else.
   *
   * @param how `question`: small, tried again after passing errors; `file`: one attempt.
   */
  ask(how: "question" | "file", path: string, init: TransportRequest): Promise<Response>;
  close(): void;
}

/** A `WWW-Authenticate` challenge (RFC 7235). */
interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Opens a registry, without a request. */
export function openRegistry(host: string, repository: string, options: SourceOptions): Registry {
  const { env } = options;
  const transport = openTransport({ ...options, connections: options.jobs });
  const scheme = isInsecure(host, env) ? "http" : "https";
  const origin = new URL(`${scheme}://${apiHost(host)}`).origin;
  let authorization: string | null = null;
  let asking: Promise<void> | null = null;
  /** Where blobs were last found outside of the registry: signed addresses that expire. */
  const located = new Map<string, URL>();

  async function follow(how: "question" | "file", path: string, init: TransportRequest): Promise<Response> {
    let url = new URL(`${origin}/v2/${repository}/${path}`);
    const attempt = how === "question" ? transport.request : transport.fetch;
    for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
      const own = url.origin === origin && authorization !== null;
      const headers = {
        ...init.headers,
        "user-agent": "aim",
        ...(own ? { authorization: authorization ?? "" } : {}),
      };
      const response = await attempt(url, { ...init, headers });
      const next = redirectTarget(response, url);
      if (next === null) {
        if (how === "file" && response.ok && url.origin !== origin) located.set(path, url);
        return response;
      }
      await discard(response);
      url = next;
    }
    throw new AimError("network", `${host} redirects without end`, { hint: "check the registry's address" });
  }

  /** Asks the address where a blob was last found; `null` if there is none, or it has expired. */
  async function askAgain(path: string, init: TransportRequest): Promise<Response | null> {
    const url = located.get(path);
    if (url === undefined) return null;
    const response = await transport.fetch(url, {
      ...init,
      headers: { ...init.headers, "user-agent": "aim" },
    });
    if (response.status < 300 || response.status === 416 || isTransientStatus(response.status)) {
      return response;
    }
    located.delete(path);
    await discard(response);
    return null;
  }

  async function authorize(response: Response, signal: AbortSignal | undefined): Promise<void> {
    const challenge = parseChallenge(response.headers.get("www-authenticate"));
    const login = await registryLogin(host, repository, env);
    authorization = await answerTo(challenge, login, { host, repository, transport, signal });
  }

  return {
    host,
    async ask(how, path, init) {
      const again = how === "file" ? await askAgain(path, init) : null;
      if (again !== null) return again;
      const sent = authorization;
      const response = await follow(how, path, init);
      if (response.status !== 401) return response;
      // Many requests notice an expired token at the same time: one of them gets a new one.
      if (authorization === sent) {
        asking ??= authorize(response, init.signal).finally(() => asking = null);
        await asking;
      }
      if (authorization === null) return response;
      await discard(response);
      return await follow(how, path, init);
    },
    close: () => transport.close(),
  };
}

/** Docker Hub's API has another host than its image names. */
function apiHost(host: string): string {
  return host === "docker.io" || host === "index.docker.io" ? "registry-1.docker.io" : host;
}

/** `AIM_OCI_INSECURE`: `true`, or the hosts that use plain HTTP. */
function isInsecure(host: string, env: SourceOptions["env"]): boolean {
  const value = env.AIM_OCI_INSECURE?.trim().toLowerCase() ?? "";
  return /^(?:true|1|yes)$/.test(value) || value.split(",").some((one) => one.trim() === host.toLowerCase());
}

function parseChallenge(header: string | null): Challenge | null {
  const [, scheme, rest] = /^\s*([A-Za-z]+)\s*(.*)$/.exec(header ?? "") ?? [];
  if (scheme === undefined) return null;
  const pairs = [...(rest ?? "").matchAll(/([A-Za-z_]+)=(?:"([^"]*)"|([^\s,]+))/g)];
  return {
    scheme: scheme.toLowerCase(),
    parameters: Object.fromEntries(
      pairs.map(([, name = "", quoted, plain]) => [name.toLowerCase(), quoted ?? plain ?? ""]),
    ),
  };
}

interface Asking {
  readonly host: string;
  readonly repository: string;
  readonly transport: Transport;
  readonly signal: AbortSignal | undefined;
}

/** The `Authorization` for a challenge; `null` without a login. */
async function answerTo(
  challenge: Challenge | null,
  login: RegistryLogin | null,
  asking: Asking,
): Promise<string | null> {
  if (challenge?.scheme === "bearer") return await bearerToken(challenge.parameters, login, asking);
  return login === null || login.password === "" ? null : basic(login);
}

/** Gets a token for this repository from the challenge's realm, with the login or anonymously. */
async function bearerToken(
  { realm, service, scope }: Readonly<Record<string, string>>,
  login: RegistryLogin | null,
  { host, repository, transport, signal }: Asking,
): Promise<string | null> {
  const url = realm === undefined ? null : URL.parse(realm);
  // A login is sent over https only, or to the registry's own host if the user has allowed plain HTTP for it.
  const safe = url?.protocol === "https:" || url?.hostname === new URL(`http://${host}`).hostname;
  if (url === null || !safe) {
    throw new AimError(
      "network",
      `${host} names ${JSON.stringify(realm ?? "")} for tokens, which is not followed`,
      { hint: "check the registry: tokens must come over https" },
    );
  }
  const query = {
    ...(service === undefined ? {} : { service }),
    scope: scope ?? `repository:${repository}:pull`,
  };
  const exchange = login?.identityToken ?? null;
  if (exchange === null) {
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  }
  const response = await transport.request(url, {
    ...(exchange === null ? {} : {
      method: "POST",
      body: new URLSearchParams({
        ...query,
        grant_type: "refresh_token",
        client_id: "aim",
        refresh_token: exchange,
      }).toString(),
    }),
    headers: {
      "user-agent": "aim",
      ...(exchange === null ? {} : { "content-type": "application/x-www-form-urlencoded" }),
      ...(login === null || exchange !== null ? {} : { authorization: basic(login) }),
    },
    signal,
  });
  if (!response.ok) {
    await discard(response);
    if (response.status < 500 && response.status !== 429) return null;
    throw new AimError(
      "network",
      `status ${response.status} from ${url.host}, which gives ${host}'s tokens`,
      {
        hint: "retry once it recovers",
      },
    );
  }
  const answer = parseJson(await response.text(), url.host) as
    | { token?: unknown; access_token?: unknown }
    | null;
  const token = answer?.token ?? answer?.access_token;
  if (typeof token !== "string" || token === "") return null;
  keepSecret(token);
  return `Bearer ${token}`;
}

function basic({ user, password }: RegistryLogin): string {
  const value = new TextEncoder().encode(`${user}:${password}`).toBase64();
  keepSecret(value);
  return `Basic ${value}`;
}
