import { resolve } from "@std/path";
import { AimError } from "../errors/aim_error.ts";
import type { SettingType } from "./settings.ts";
import { ACCELERATOR_NAMES, acceleratorName } from "../gpu/accelerators.ts";
import { readJson } from "../values/read_json.ts";
import { type ConfigMap, isList, isMap } from "../values/value.ts";
import { didYouMean } from "./nearest.ts";

/**
 * A setting's text as a value of its type.
 *
 * @param name How messages name the setting: `AIM_PORT` or `--port`.
 * @param base What relative paths start from, and what replaces a leading `~`.
 * @throws {AimError} `usage`, with name, value and allowed values.
 */
export function parseSetting(
  text: string,
  type: SettingType,
  name: string,
  base: { readonly cwd: string; readonly home: string | undefined },
): string | number | boolean | readonly string[] | ConfigMap {
  const bad = (allowed: string) => badValue(name, text, allowed);
  switch (type.kind) {
    case "text":
      return text;
    case "path":
      return resolve(base.cwd, text.replace(/^~(?=\/|$)/, (tilde) => base.home ?? tilde));
    case "choice": {
      const same = (one: string) => type.ignoreCase && one.toLowerCase() === text.toLowerCase();
      const choice = type.choices.find((one) => one === text || same(one));
      if (choice === undefined) throw badChoice(name, text, type.choices);
      return choice;
    }
    case "list": {
      const words = text.split(",").map((word) => word.trim().toUpperCase()).filter((word) => word !== "");
      if (words.length > 0 && words.every((word) => type.choices.includes(word))) return [...new Set(words)];
      throw bad(`a list of ${type.choices.join(", ")}`);
    }
    case "boolean": {
      const value = parseBoolean(text);
      if (value === undefined) throw bad("true or false");
      return value;
    }
    case "integer": {
      if (type.auto && text === "auto") return text;
      const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
      if (value >= type.min && value <= type.max) return value;
      // Kubernetes sets `<SERVICE>_PORT=tcp://…` in every pod of a namespace with a service of that name.
      if (text.startsWith("tcp://") && name === "AIM_PORT") {
        throw new AimError("usage", `AIM_PORT is ${JSON.stringify(text)}`, {
          hint:
            'Kubernetes sets it for a service called "aim": set AIM_PORT, or enableServiceLinks: false in the pod',
        });
      }
      throw bad(`${type.auto ? "auto or " : ""}a whole number from ${type.min} to ${type.max}`);
    }
    case "size": {
      const value = parseSize(type.rate ? text.replace(/\/s$/, "") : text);
      if (value !== null && value >= type.min && value <= type.max) return value;
      const [example, per] = type.rate ? ["50MiB", " per second"] : ["8MiB", ""];
      throw bad(`bytes${per}, such as ${example}, from ${formatSize(type.min)} to ${formatSize(type.max)}`);
    }
    case "duration": {
      const value = parseDuration(text);
      if (value !== null && value >= type.min * 1000 && value <= type.max * 1000) return value;
      throw bad(`seconds, such as 90 or 2m, from ${type.min} to ${type.max}`);
    }
    case "accelerator": {
      const accelerator = acceleratorName(text);
      if (accelerator === null) throw badChoice(name, text, ACCELERATOR_NAMES);
      return accelerator;
    }
    case "json-object": {
      const object = jsonObject(text);
      if (typeof object !== "string") return object;
      const allowed = `a JSON object, such as {"max-model-len": 4096} (${object})`;
      // The text may not be JSON, so secrets are found by pattern.
      throw badValue(name, text.replace(ENGINE_SECRET, "$1***"), allowed);
    }
    case "url": {
      if (!/^https?:\/\/[^/\s]/.test(text) || !URL.canParse(text)) {
        // Text before @ may be a password, even if the rest is not an address.
        throw badValue(name, text.replace(/[^/]*@/, "***@"), "an http:// or https:// address");
      }
      return text.replace(/\/+$/, "");
    }
  }
}

/** The error for a value that is not one of `choices`. */
export function badChoice(name: string, text: string, choices: readonly string[]): AimError {
  const allowed = choices.length === 1 ? choices[0] : `one of ${choices.join(", ")}`;
  return badValue(name, text, allowed + didYouMean(text, choices));
}

function badValue(name: string, text: string, allowed: string): AimError {
  const shown = text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}...`;
  return new AimError("usage", `${name} is ${JSON.stringify(shown)}`, { hint: `use ${allowed}` });
}

const SHOWN = 120;
const ENGINE_SECRET = /((?:api[-_]?key|token|secret|password)["']?\s*[:=]\s*)[^,}\s]+/gi;

/** `true`, `1`, `yes`, `on` and their opposites, in any case; `undefined` for everything else. */
export function parseBoolean(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (["true", "1", "yes", "on"].includes(word)) return true;
  if (["false", "0", "no", "off"].includes(word)) return false;
  return undefined;
}

/** Bytes of `1048576`, `8M`, `8MiB` (powers of 1024), `8MB` (powers of 1000); `null` if it is not a size. */
export function parseSize(text: string): number | null {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*(?:([KMGTP])(iB|B)?|B)?$/i.exec(text);
  if (match === null) return null;
  const power = match[2] === undefined ? 0 : "KMGTP".indexOf(match[2].toUpperCase()) + 1;
  const base = match[3]?.toUpperCase() === "B" ? 1000 : 1024;
  const bytes = Math.round(Number(match[1]) * base ** power);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds of `90`, `90s`, `500ms`, `2m`, `1h`, `30d`, `2w`; `null` if it is not a duration. */
export function parseDuration(text: string): number | null {
  const [, number, unit = "s"] = /^(\d{1,9}(?:\.\d{1,3})?)\s*(ms|[smhdw])?$/.exec(text) ?? [];
  const ms = UNITS[unit];
  return number === undefined || ms === undefined ? null : Math.round(Number(number) * ms);
}

/** Milliseconds of `90m`, `12h`, `30d` or `2w`; `null` if it is not an age. */
export function parseAge(text: string): number | null {
  return /\d[mhdw]$/.test(text) ? parseDuration(text) : null;
}

function formatSize(bytes: number): string {
  const power = Math.min(5, Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes}` : `${bytes / 1024 ** power}${" KMGTP"[power]}iB`;
}

/** A JSON object, or why the text is not one. */
function jsonObject(text: string): ConfigMap | string {
  try {
    const value = readJson(text);
    return isMap(value) ? value : `this is ${isList(value) ? "a list" : "a single value"}`;
  } catch (error) {
    // V8 quotes the text again after the reason.
    return error instanceof Error ? error.message.replace(/, (\.\.\.)?"[\s\S]*$/, "") : String(error);
  }
}
