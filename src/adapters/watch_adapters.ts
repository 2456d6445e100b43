import { errorFrom } from "../errors/from_unknown.ts";
import { log } from "../log/logger.ts";
import { fieldsOf, jsonOrNull } from "../values/json.ts";
import type { Adapter } from "./find_adapters.ts";

export interface WatchOptions {
  /** The engine's address, such as `http://127.0.0.1:8000`. */
  readonly engine: string;
  readonly apiKey: string | null;
  /** Milliseconds between two checks of the folder. */
  readonly interval: number;
  readonly find: (warn: (text: string) => void) => Promise<readonly Adapter[]>;
  /** False once the engine has ended. */
  readonly alive: () => boolean;
}

/** Milliseconds between two requests until the engine's first response. */
const START_INTERVAL = 2_000;
const REQUEST_LIMIT = 30_000;

/**
 * Keeps the engine's adapters in sync with those on disk until the engine ends. Every check asks the engine
 * which ones it has, so that they are loaded again after a restart. A rejected load (4xx) is retried only
 * when the adapter's files change; after no response or 5xx, at the next check.
 *
 * Requires `--allow-net` for the engine's address.
 */
export async function watchAdapters(options: WatchOptions): Promise<void> {
  const { alive, interval } = options;
  const engine = new EngineAdapters(options);
  let answered = false;
  do {
    answered = await engine.update() || answered;
  } while (await pause(answered ? interval : Math.min(interval, START_INTERVAL), alive));
}

/** The adapters that the engine serves, and what this process has requested. */
class EngineAdapters {
  /** Each is logged once, not at each check. */
  readonly #warnings = new Set<string>();
  /**
   * By name: the stamp that the engine has loaded or refused, and whether it has a version of the adapter.
   */
  readonly #settled = new Map<string, { readonly stamp: string; readonly loaded: boolean }>();

  constructor(readonly options: WatchOptions) {}

  /** Names of all models and adapters that the engine serves; `null` if it does not respond. */
  async #served(): Promise<ReadonlySet<string> | null> {
    const answer = await this.#request("GET", "/v1/models");
    if (answer === null || !answer.ok) return null;
    const { data } = fieldsOf(jsonOrNull(answer.text));
    return Array.isArray(data) ? new Set(data.map((one) => String(fieldsOf(one).id))) : null;
  }

  /** @returns False if the engine does not respond. */
  async update(): Promise<boolean> {
    const served = await this.#served();
    if (served === null) return false;
    const adapters = await this.options.find((text) => this.#warnOnce(text));
    const onDisk = new Set(adapters.map(({ name }) => name));
    for (const [name, { loaded }] of this.#settled) {
      const isServed = loaded && served.has(name);
      if (isServed && !onDisk.has(name)) await this.#unload(name);
      // The engine was restarted, or the folder was removed: if recreated, it is a new adapter.
      else if (!isServed && (loaded || !onDisk.has(name))) this.#settled.delete(name);
    }
    for (const adapter of adapters) {
      if (this.#settled.get(adapter.name)?.stamp !== adapter.stamp) {
        await this.#load(adapter, served.has(adapter.name));
      }
    }
    return true;
  }

  #warnOnce(text: string): void {
    if (!this.#warnings.has(text)) log.warn(text);
    this.#warnings.add(text);
  }

  async #load({ name, path, stamp }: Adapter, replace: boolean): Promise<void> {
    const answer = await this.#request("POST", "/v1/load_lora_adapter", {
      lora_name: name,
      lora_path: path,
      ...(replace ? { load_inplace: true } : {}),
    });
    if (answer === null || answer.status >= 500) {
      return log.warn(`adapter ${name} is not loaded yet, retrying: ${inWords(answer)}`);
    }
    const loaded = answer.ok || this.#settled.get(name)?.loaded === true;
    this.#settled.set(name, { stamp, loaded });
    if (!answer.ok) return log.warn(`the engine rejected adapter ${name}: ${inWords(answer)}`);
    log.info(`adapter ${name} is ${replace ? "replaced" : "loaded"}`);
  }

  async #unload(name: string): Promise<void> {
    const answer = await this.#request("POST", "/v1/unload_lora_adapter", { lora_name: name });
    if (answer === null || !answer.ok && answer.status !== 404) {
      return log.warn(`adapter ${name} is not unloaded yet, retrying: ${inWords(answer)}`);
    }
    this.#settled.delete(name);
    log.info(`adapter ${name} is unloaded`);
  }

  async #request(method: string, path: string, body?: unknown): Promise<Answer | null> {
    const { engine, apiKey } = this.options;
    try {
      const response = await fetch(`${engine}${path}`, {
        method,
        headers: {
          ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        redirect: "error",
        signal: AbortSignal.timeout(REQUEST_LIMIT),
      });
      return { ok: response.ok, status: response.status, text: await response.text() };
    } catch (error) {
      log.debug(errorFrom(error, `${method} ${engine}${path}`).message);
      return null;
    }
  }
}

interface Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly text: string;
}

function inWords(answer: Answer | null): string {
  return answer === null ? "no response" : `HTTP ${answer.status} ${answer.text.slice(0, 200)}`.trimEnd();
}

/** Waits, checking each second that the engine still runs. @returns False if it has ended. */
async function pause(milliseconds: number, alive: () => boolean): Promise<boolean> {
  for (let left = milliseconds; left > 0 && alive(); left -= 1000) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(left, 1000)));
  }
  return alive();
}
