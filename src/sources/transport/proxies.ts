import { AimError } from "../../errors/aim_error.ts";
import { nodeModule } from "../../os/node_module.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A proxy that the environment names. */
export interface EnvProxy {
  /** The variable that names it. */
  readonly variable: string;
  /** Without user and password. */
  readonly url: string;
  readonly basicAuth: { readonly username: string; readonly password: string } | null;
}

/** The variable that sends requests for this URL through a proxy, unless `NO_PROXY` names the host. */
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
    // The value is not shown: it may contain a password.
    throw new AimError("usage", `${variable} is not a proxy's address`, {
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
  const host = withoutBrackets(url.hostname);
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list.toLowerCase().split(/[\s,]+/).filter((entry) => entry !== "").some((entry) => {
    if (entry === "*") return true;
    const [base = "", length] = entry.split("/");
    if (length !== undefined) {
      return isInBlock(host, withoutBrackets(base), /^\d+$/.test(length) ? Number(length) : NaN);
    }
    // An IPv6 address without brackets has no port.
    const [, inBrackets, plain, wantedPort] = /^(?:\[(.+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
    if (wantedPort !== undefined && wantedPort !== port) return false;
    const name = (inBrackets ?? plain ?? entry).replace(/^\*?\./, "");
    const { isIP } = nodeModule("node:net");
    if (isIP(host) !== 0 || isIP(name) !== 0) return isInBlock(host, name, null);
    return name !== "" && (host === name || host.endsWith(`.${name}`));
  });
}

/** @param length Bits of the base to compare; `null` for all. */
function isInBlock(host: string, base: string, length: number | null): boolean {
  const { BlockList, isIP } = nodeModule("node:net");
  const version = isIP(base);
  const [family, longest] = version === 4 ? ["ipv4", 32] as const : ["ipv6", 128] as const;
  const bits = length ?? longest;
  if (version === 0 || isIP(host) !== version || base.includes("%") || !(bits <= longest)) return false;
  const block = new BlockList();
  block.addSubnet(base, bits, family);
  return block.check(host, family);
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}
