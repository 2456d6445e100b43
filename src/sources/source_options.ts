import type { Config } from "../config/config.ts";
import { AimError } from "../errors/aim_error.ts";
import { keepSecret } from "../log/redact.ts";
import { readRegularText } from "../os/read_regular_file.ts";
import type { TransportOptions } from "./transport/transport.ts";

export type Protocol = Config["protocols"][number];

/** Settings of sources and their transport, whose `env` includes the `AWS_*` variables. */
export interface SourceOptions extends Omit<TransportOptions, "verifyTls"> {
  /** `HF_ENDPOINT`, which may have a path. */
  readonly hfEndpoint: string;
  /** The hub's token, read at the first use of a hub source. */
  readonly hfToken: () => Promise<string | null>;
  /** Protocols for files of the hub, in the order in which they are tried. */
  readonly protocols: readonly Protocol[];
  /** Make no network requests. */
  readonly offline: boolean;
  /** Called with the next protocol when one has failed. */
  readonly onProtocol?: ((protocol: Protocol) => void) | undefined;
}

type Env = SourceOptions["env"];

export function sourceOptions(config: Config, env: Env): SourceOptions {
  const { hfEndpoint, protocols, offline, jobs: connections } = config;
  return { hfEndpoint, hfToken: () => resolveToken(config, env), protocols, offline, env, connections };
}

/**
 * `HF_TOKEN`, else the content of the file `HF_TOKEN_PATH`, else of `HF_HOME/token`, else, if neither
 * variable is set, the token of `hf auth login` in Python's default place.
 */
async function resolveToken({ hfToken, hfTokenPath, origins }: Config, env: Env): Promise<string | null> {
  const isNamed = origins.hfTokenPath !== "default";
  const cache = env.XDG_CACHE_HOME || (env.HOME ? `${env.HOME}/.cache` : "");
  const login = isNamed || origins.hfHome !== "default" || !cache.startsWith("/")
    ? null
    : `${cache}/huggingface/token`;
  const text = hfToken || await readToken(hfTokenPath, isNamed) || (login && await readToken(login, false));
  const token = text?.trim() ?? "";
  keepSecret(token);
  if (token === "") return null;
  // It becomes a header's value.
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const where = hfToken ? "HF_TOKEN" : hfTokenPath;
  throw new AimError("usage", `the hub token in ${where} contains characters that are invalid in a token`, {
    hint: "set it to the token only",
  });
}

/** A configured file must be readable; the default one may be missing. */
async function readToken(path: string, named: boolean): Promise<string> {
  const read = await readRegularText(path);
  if (read.kind === "ok") return read.value;
  if (!named) return "";
  throw new AimError("usage", `HF_TOKEN_PATH is ${path}: ${read.reason}`, {
    hint: "name a readable file with the hub token, or unset it",
    ...(read.kind === "failed" && { cause: read.cause }),
  });
}
