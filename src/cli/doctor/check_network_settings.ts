import { count } from "../format.ts";
import { redact } from "../../log/redact.ts";
import { readRegularTextSync } from "../../os/read_regular_file.ts";
import { type Check, check } from "./check.ts";

const PROXIES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const AUTHORITIES = [
  "SSL_CERT_FILE",
  "NODE_EXTRA_CA_CERTS",
  "AWS_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
];

/** The proxies and certificate authorities that the environment names. Passwords are never shown. */
export function checkNetworkSettings(env: Readonly<Record<string, string | undefined>>): Check[] {
  const proxies = PROXIES.filter((name) => env[name]).map((name) => checkProxy(name, env[name] ?? ""));
  const except = env.NO_PROXY || env.no_proxy;
  const authorities = Map.groupBy(AUTHORITIES.filter((name) => env[name]), (name) => env[name] ?? "");
  return [
    ...(proxies.length === 0 ? [check("proxy", "ok", "none is set")] : proxies),
    ...(proxies.length > 0 && except ? [check("proxy", "ok", `not for ${except}`)] : []),
    ...[...authorities].map(([path, names]) => checkAuthorities(names.join(", "), path)),
  ];
}

function checkProxy(name: string, address: string): Check {
  const shown = redact(address);
  return /^(https?|socks5h?):\/\//.test(address) && URL.canParse(address)
    ? check("proxy", "ok", `${name} is ${shown}`)
    : check("proxy", "warning", `${name} is ${JSON.stringify(shown)}`, "write it as http://HOST:PORT");
}

function checkAuthorities(names: string, path: string): Check {
  const read = readRegularTextSync(path);
  const named = `${path}, named by ${names}`;
  const found = read.kind === "ok" ? read.value.match(/-----BEGIN CERTIFICATE-----/g)?.length ?? 0 : 0;
  if (found > 0) return check("certificates", "ok", `${named}: ${count(found, "certificate")}`);
  const why = read.kind === "ok" ? "has no certificate in it" : "cannot be read";
  const todo = "name a readable PEM file of certificate authorities, or unset it";
  return check("certificates", "warning", `${named}, ${why}`, todo);
}
