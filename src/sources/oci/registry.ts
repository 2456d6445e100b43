import { abortable } from "@std/async/abortable";
import { AimError } from "../../errors/aim_error.ts";
import { keepSecret } from "../../log/redact.ts";
import { FileAddresses } from "../file_addresses.ts";
import type { ManifestFile } from "../manifest.ts";
import type { SourceOptions } from "../source_options.ts";
import { parseJson } from "../transport/parse_json.ts";
import { isTransientStatus } from "../transport/passing_fault.ts";
import { discard } from "../transport/read_bounded.ts";
import { followRedirects } from "../transport/redirect.ts";
import type { RequestHeaders } from "../transport/http_connection.ts";
import { Transport, type TransportRequest, type Use } from "../transport/transport.ts";
import { type RegistryLogin, registryLogin } from "./registry_credentials.ts";

/** One repository of a registry. Follows redirects and gets access tokens. */
export interface Registry {
  /** Its host, for messages. */
  readonly host: string;
  /**
   * Requests a path below `/v2/<repository>/`. The token is only sent to the registry's own origin.
   *
   * @param file The file whose bytes are requested, in one attempt. Requests without a file are retried after
   * transient errors.
   */
  ask(path: string, init: TransportRequest, file?: ManifestFile): Promise<Response>;
  close(): void;
}

/** Opens a registry, without a request. */
export function openRegistry(host: string, repository: string, options: SourceOptions): Registry {
  const { env } = options;
  const transport = new Transport(options);
  const scheme = isInsecure(host, env) ? "http" : "https";
  const origin = new URL(`${scheme}://${apiHost(host)}`).origin;
  let authorization: string | null = null;
  let asking: Promise<void> | null = null;
  const addresses = new FileAddresses();

  const follow = (how: Use, first: URL, init: TransportRequest) =>
    followRedirects(first, init.headers, (url, headers) => {
      const login = url.origin === origin && authorization !== null ? { authorization } : {};
      return transport[how](url, { ...init, headers: { ...headers, ...login } });
    });

  async function authorize(response: Response): Promise<void> {
    const { scheme, ...parameters } = challengeIn(response.headers.get("www-authenticate"));
    const login = await registryLogin(host, repository, env);
    const challenge = { scope: `repository:${repository}:pull`, ...parameters };
    if (scheme === "bearer") authorization = await bearerToken(challenge, login, host, transport);
    else authorization = login?.password ? basic(login) : null;
  }

  /**
   * Follows redirects, and gets a new token if the registry demands one. Other origins never get a token,
   * whatever they demand.
   */
  async function authorized(how: Use, url: URL, init: TransportRequest) {
    const sent = authorization;
    const answer = await follow(how, url, init);
    if (answer.response.status !== 401 || answer.url.origin !== origin) return answer;
    // Many requests notice an expired token at the same time: one of them gets a new one.
    if (authorization === sent) {
      // If a caller is aborted, the request for the token continues, even if no other caller awaits it.
      asking ??= authorize(answer.response).finally(() => asking = null);
      asking.catch(() => {});
      await (init.signal === undefined ? asking : abortable(asking, init.signal));
    }
    if (authorization === null) return answer;
    await discard(answer.response);
    return await follow(how, url, init);
  }

  return {
    host,
    async ask(path, init, file) {
      const home = new URL(`${origin}/v2/${repository}/${path}`);
      if (file === undefined) return (await authorized("request", home, init)).response;
      const send = (url: URL, headers: RequestHeaders) => authorized("fetch", url, { ...init, headers });
      return (await addresses.ask(file, home, init.headers ?? {}, send)).response;
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

/** The scheme and the parameters of a `WWW-Authenticate` challenge (RFC 7235). */
function challengeIn(header: string | null): Readonly<Record<string, string>> {
  const [, scheme = "", rest = ""] = /^\s*([A-Za-z]+)\s*(.*)$/.exec(header ?? "") ?? [];
  const pairs = rest.matchAll(/([A-Za-z_]+)=(?:"([^"]*)"|([^\s,]+))/g)
    .map(([, name = "", quoted, plain = ""]) => [name.toLowerCase(), quoted ?? plain]);
  return { ...Object.fromEntries(pairs), scheme: scheme.toLowerCase() };
}

/**
 * Gets a token for this repository from the challenge's realm, with the login or anonymously.
 *
 * @returns The `Authorization` header; `null` if the realm issues no token.
 */
async function bearerToken(
  { realm = "", scope = "", service }: Readonly<Record<string, string>>,
  login: RegistryLogin | null,
  host: string,
  transport: Transport,
): Promise<string | null> {
  const url = URL.parse(realm);
  // A login is only sent over https, or to the registry's own host if the user has allowed plain HTTP for it.
  if (url === null || (url.protocol !== "https:" && url.hostname !== new URL(`http://${host}`).hostname)) {
    const message = `${host} requires a token from ${JSON.stringify(realm)}, which is not an https address`;
    throw new AimError("network", message, { hint: "check the registry: tokens must come over https" });
  }
  const query = new URLSearchParams({ scope, ...(service !== undefined && { service }) });
  const headers: Record<string, string> = { "user-agent": "aim" };
  let request: TransportRequest = { headers };
  if (login !== null && login.identityToken !== null) {
    query.set("grant_type", "refresh_token");
    query.set("client_id", "aim");
    query.set("refresh_token", login.identityToken);
    headers["content-type"] = "application/x-www-form-urlencoded";
    request = { ...request, method: "POST", body: query.toString() };
  } else {
    for (const [name, value] of query) url.searchParams.set(name, value);
    if (login !== null) headers.authorization = basic(login);
  }
  const response = await transport.request(url, request);
  if (!response.ok) {
    await discard(response);
    if (!isTransientStatus(response.status)) return null;
    const message = `status ${response.status} from ${url.host}, which issues ${host}'s tokens`;
    throw new AimError("network", message, { hint: "retry once it recovers" });
  }
  const answer = parseJson(await response.text(), url.host) as Readonly<Record<string, unknown>> | null;
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
