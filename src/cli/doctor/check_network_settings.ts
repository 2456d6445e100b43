import { count } from "../format.ts";
import { redact } from "../../log/redact.ts";
import { readRegularTextSync } from "../../os/read_regular_file.ts";
import type { Check } from "./check.ts";

const PROXIES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const AUTHORITIES = [
  "SSL_CERT_FILE",
  "NODE_EXTRA_CA_CERTS",
  "AWS_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
];

/** Proxies and certificate authorities that the environment names. Passwords are never shown. */
export function checkNetworkSettings(env: Readonly<Record<string, string | undefined>>): Check[] {
  const proxies = PROXIES.filter((name) => env[name]).map((name) => checkProxy(name, env[name] ?? ""));
  const except = env.NO_PROXY || env.no_proxy;
  return [
    ...(proxies.length === 0 ? [{ name: "proxy", state: "ok", found: "none is set" } as const] : proxies),
    ...(proxies.length > 0 && except
      ? [{ name: "proxy", state: "ok", found: `not for ${except}` } as const]
      : []),
    ...authorities(env).map(([path, names]) => checkAuthorities(names.join(", "), path)),
  ];
}

/** The files that variables name, each with its variables. */
function authorities(env: Readonly<Record<string, string | undefined>>): [string, string[]][] {
  const files = new Map<string, string[]>();
  for (const name of AUTHORITIES) {
    const path = env[name];
    if (path) files.set(path, [...files.get(path) ?? [], name]);
  }
  return [...files];
}

function checkProxy(name: string, address: string): Check {
  const shown = redact(address);
  if (/^(https?|socks5h?):\/\//.test(address) && URL.canParse(address)) {
    return { name: "proxy", state: "ok", found: `${name} is ${shown}` };
  }
  return {
    name: "proxy",
    state: "warning",
    found: `${name} is ${JSON.stringify(shown)}, which is no address`,
    todo: "write it as http://HOST:PORT",
  };
}

function checkAuthorities(names: string, path: string): Check {
  const read = readRegularTextSync(path);
  if (read.kind !== "ok") {
    return {
      name: "certificates",
      state: "warning",
      found: `${path}, named by ${names}, cannot be read`,
      todo: "name a readable PEM file of certificate authorities, or unset it",
    };
  }
  const found = read.value.match(/-----BEGIN CERTIFICATE-----/g)?.length ?? 0;
  if (found > 0) {
    return {
      name: "certificates",
      state: "ok",
      found: `${path}, named by ${names}: ${count(found, "certificate")}`,
    };
  }
  return {
    name: "certificates",
    state: "warning",
    found: `${path}, named by ${names}, holds no certificate`,
    todo: "name a PEM file of certificate authorities, or unset it",
  };
}
