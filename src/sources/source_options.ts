import type { Config } from "../config/config.ts";
import { AimError } from "../errors/aim_error.ts";
import { keepSecret } from "../log/redact.ts";
import { readRegularText } from "../os/read_regular_file.ts";
import { parseProtocols, type Protocol } from "./protocols.ts";

/** What sources need to know of the configuration and the environment. */
export interface SourceOptions {
  /** `HF_ENDPOINT`, with a path where the hub lies behind one. */
  readonly hfEndpoint: string;
  /** The hub's token; asked for when a hub source is first used. */
  readonly hfToken: () => Promise<string | null>;
  /** How hub files are read, in the order tried. */
  readonly protocols: readonly Protocol[];
  /** No network at all. */
  readonly offline: boolean;
  /** `AWS_*`, proxy and certificate variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Connections kept open for reading, at most. */
  readonly jobs: number;
  /** Attempts at metadata, at most. @default {8 where the server answers, 4 where it cannot be reached} */
  readonly attempts?: number | undefined;
  /** Waits between attempts at metadata. @default {a timer} */
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
  /** The time that those waits go by, in milliseconds. @default {performance.now} */
  readonly now?: (() => number) | undefined;
  /** Told when a way of reading has failed and the next one is used. */
  readonly onProtocol?: ((protocol: Protocol) => void) | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

type Wanted = Pick<
  Config,
  "hfEndpoint" | "hfToken" | "hfTokenPath" | "protocols" | "offline" | "jobs" | "origins"
>;

/**
 * Sources' options from the configuration and the environment. The token is `HF_TOKEN`, else what the file
 * `HF_TOKEN_PATH` holds, else `HF_HOME/token`, else that of `hf auth login`.
 *
 * @throws {AimError} `usage` for an unknown protocol.
 */
export function sourceOptions(
  config: Wanted,
  env: Env,
): SourceOptions {
  return {
    hfEndpoint: config.hfEndpoint,
    hfToken: () => resolveToken(config, env),
    protocols: parseProtocols(config.protocols),
    offline: config.offline,
    env,
    jobs: config.jobs,
  };
}

async function resolveToken(config: Wanted, env: Env): Promise<string | null> {
  const path = config.hfTokenPath;
  const where = config.hfToken ? "HF_TOKEN" : path;
  const text = config.hfToken || await readToken(path, config.origins.hfTokenPath !== "default") ||
    await loginToken(config, env);
  const token = text.trim();
  keepSecret(token);
  if (token === "") return null;
  // It becomes a header's value.
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new AimError("usage", `the hub token in ${where} holds characters that no token has`, {
    hint: "set it to the token alone",
  });
}

/** What `hf auth login` has kept in Python's own default place, where nobody named another. */
async function loginToken({ origins }: Wanted, env: Env): Promise<string> {
  const named = origins.hfHome !== "default" || origins.hfTokenPath !== "default";
  const cache = env.XDG_CACHE_HOME || (env.HOME ? `${env.HOME}/.cache` : "");
  return named || !cache.startsWith("/") ? "" : await readToken(`${cache}/huggingface/token`, false);
}

// In bytes: far above any token, far below anything else.
const LONGEST_TOKEN = 65536;

/** A file that was named must be readable; the default one may be missing. */
async function readToken(path: string, named: boolean): Promise<string> {
  const read = await readRegularText(path, LONGEST_TOKEN);
  if (read.kind === "ok") return read.value;
  if (!named) return "";
  const reason = read.kind === "absent" ? "there is no such file" : read.reason;
  throw new AimError("usage", `HF_TOKEN_PATH is ${path}: ${reason}`, {
    hint: "name a readable file that holds the hub token, or unset it",
    ...(read.kind === "failed" && { cause: read.cause }),
  });
}
