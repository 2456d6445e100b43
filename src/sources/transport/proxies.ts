import { AimError } from "../../errors/aim_error.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A proxy that the environment names. */
export interface EnvProxy {
  /** The variable that names it. */
  readonly variable: string;
  /** Without user and password. */
  readonly url: string;
  readonly basicAuth: { readonly username: string; readonly password: string } | null;
}

/** The variables that Deno itself looks at. */
export const DENO_PROXY_VARIABLES = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"]
  .flatMap((name) => [name, name.toLowerCase()]);

/**
 * The variable that sends requests for this URL through a proxy; `null` if none is set or `NO_PROXY` names
 * the host.
 */
export function proxyVariable(url: URL, env: Env): string | null {
  const own = url.protocol === "https:" ? ["HTTPS_PROXY", "https_proxy"] : ["HTTP_PROXY", "http_proxy"];
  const name = [...own, "ALL_PROXY", "all_proxy"].find((variable) => env[variable]);
  return name === undefined || isExcepted(url, env.NO_PROXY || env.no_proxy || "") ? null : name;
}

/**
 * The proxy for a URL; `null` for a direct connection.
 *
 * @throws {AimError} `usage` for a value that is not a proxy's address.
 */
export function proxyFor(url: URL, env: Env): EnvProxy | null {
  const variable = proxyVariable(url, env);
  if (variable === null) return null;
  const value = env[variable]?.trim() ?? "";
  const parsed = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`);
  if (parsed === null || parsed.hostname === "" || !/^(https?|socks5h?):$/.test(parsed.protocol)) {
    // The value may hold a password.
    throw new AimError("usage", `${variable} does not hold a proxy's address`, {
      hint: "use http://host:port, http://user:password@host:port or socks5://host:port",
    });
  }
  const { protocol, host, username, password } = parsed;
  return {
    variable,
    url: `${protocol}//${host}`,
    basicAuth: username === "" && password === ""
      ? null
      : { username: decoded(username), password: decoded(password) },
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Whether `NO_PROXY` names the URL's host: `*`, a domain (with its subdomains; a leading `.` or `*.` changes
 * nothing), an IP address or a block of them (`10.0.0.0/8`), each with an optional `:port`.
 */
function isExcepted(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list.toLowerCase().split(/[\s,]+/).filter((entry) => entry !== "").some((entry) => {
    if (entry === "*") return true;
    if (entry.includes("/")) return inBlock(host, entry);
    // An IPv6 address without brackets has no port.
    const [, inBrackets, plain, wantedPort] = /^(?:\[(.+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
    if (wantedPort !== undefined && wantedPort !== port) return false;
    const name = (inBrackets ?? plain ?? entry).replace(/^\*?\./, "");
    const address = addressBits(name);
    const own = addressBits(host);
    if (address !== null || own !== null) return address === own;
    return name !== "" && (host === name || host.endsWith(`.${name}`));
  });
}

function inBlock(host: string, block: string): boolean {
  const [base = "", length = ""] = block.split("/");
  const wanted = addressBits(base.replace(/^\[(.*)\]$/, "$1"));
  const bits = addressBits(host);
  const count = Number(length);
  if (wanted === null || bits === null || wanted.length !== bits.length || !/^\d+$/.test(length)) {
    return false;
  }
  return count <= bits.length && bits.slice(0, count) === wanted.slice(0, count);
}

/** An IP address as a text of 0 and 1, 32 or 128 long; `null` for a name. */
function addressBits(text: string): string | null {
  const bits = (parts: number[], width: number) =>
    parts.map((part) => part.toString(2).padStart(width, "0")).join("");
  const dotted = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (dotted !== undefined) return dotted.every((part) => part < 256) ? bits(dotted, 8) : null;
  if (!/^[0-9a-f:.]*:[0-9a-f:.]*$/.test(text)) return null;
  // The URL parser knows all spellings, and writes one.
  const host = URL.parse(`http://[${text}]/`)?.hostname.slice(1, -1);
  if (host === undefined) return null;
  const [head = "", tail] = host.split("::");
  const groups = (half: string) => half === "" ? [] : half.split(":").map((group) => parseInt(group, 16));
  const left = groups(head), right = groups(tail ?? "");
  const middle = tail === undefined ? [] : Array<number>(8 - left.length - right.length).fill(0);
  return bits([...left, ...middle, ...right], 16);
}
