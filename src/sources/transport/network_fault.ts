import { AimError } from "../../errors/aim_error.ts";
import { TransientError } from "../source.ts";
import { proxyVariable } from "./proxies.ts";

/**
 * The error for a failed request or body: an {@linkcode AimError} if a retry cannot help (unknown certificate
 * authority), else a {@linkcode TransientError}. It never contains the URL's path, which may be signed.
 */
export function networkFault(
  thrown: unknown,
  url: URL,
  env: Readonly<Record<string, string | undefined>>,
): AimError | TransientError {
  if (thrown instanceof AimError || thrown instanceof TransientError) return thrown;
  const text = textOf(thrown);
  const proxy = proxyVariable(url, env);
  const via = proxy === null ? "" : ` through the proxy in ${proxy}`;
  const transient = (message: string) => new TransientError(message, { cause: thrown });
  const fatal = (message: string, hint: string) => new AimError("network", message, { hint, cause: thrown });

  if (/Requests to port \d+ are blocked/.test(text)) {
    return fatal(`${url.host} cannot be reached: HTTP clients block its port`, "use another port");
  }
  const certificate = /invalid peer certificate: (.*?)(?:$|\n)/.exec(text)?.[1];
  if (certificate !== undefined) return fatal(...certificateFault(url.host, certificate));
  if (/corrupt message|InvalidContentType|received fatal alert|HandshakeFail/i.test(text)) {
    return fatal(
      `${url.host}${via} does not speak TLS as expected`,
      "check whether the address is http, not https",
    );
  }
  if (/proxy auth/i.test(text)) return proxyRefuses(url, env);
  if (/tunnel/i.test(text)) {
    return transient(`the proxy in ${proxy ?? "HTTPS_PROXY"} does not connect to ${url.host}`);
  }
  if (/dns error|failed to lookup/i.test(text)) {
    const or = proxy === null ? "" : ` (or the proxy in ${proxy})`;
    return transient(`${url.hostname}${or} cannot be resolved by DNS`);
  }
  if (/Connection refused/i.test(text)) return transient(`${url.host}${via} refuses the connection`);
  if (/reset|broken pipe|closed before|connection closed|eof|IncompleteMessage|body/i.test(text)) {
    return transient(`${url.host}${via} broke the connection`);
  }
  if (/timed out|unreachable|No route/i.test(text)) return transient(`${url.host}${via} cannot be reached`);
  const [lastLine = ""] = text.split("\n").slice(-1);
  return transient(`${url.host}${via} cannot be read: ${lastLine.replace(/^error sending request: /, "")}`);
}

/** The proxy requires a user and password, or different ones (407). */
export function proxyRefuses(url: URL, env: Readonly<Record<string, string | undefined>>): AimError {
  const proxy = proxyVariable(url, env);
  return new AimError("network", `the proxy${proxy === null ? "" : ` in ${proxy}`} requires a password`, {
    hint: "put the right user and password into the proxy's address",
  });
}

/** Words of the TLS library, what they mean, and what to do. */
const CERTIFICATE_FAULTS: readonly [RegExp, string, string][] = [
  [/UnknownIssuer|CaUsedAsEndEntity/, "from an unknown authority", "name its PEM file in SSL_CERT_FILE"],
  [/NotValidForName/, "for another name", "check the address"],
  [/Expired|NotValidYet/i, "that has expired or is not valid yet", "check the clock of this machine"],
];

function certificateFault(host: string, reason: string): [message: string, hint: string] {
  const [, which, hint] = CERTIFICATE_FAULTS.find(([words]) => words.test(reason)) ?? [];
  return which === undefined || hint === undefined
    ? [`${host} has an invalid certificate: ${reason}`, "check the server"]
    : [`${host} has a certificate ${which}`, hint];
}

function textOf(thrown: unknown): string {
  const lines: string[] = [];
  for (let error = thrown; error instanceof Error; error = error.cause) lines.push(error.message);
  // The patterns must not match words of the address.
  return (lines.length === 0 ? String(thrown) : lines.join("\n")).replaceAll(/ ?for url \(\S*\)/g, "");
}
