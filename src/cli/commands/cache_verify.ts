import { repairModel } from "../../download/repair_model.ts";
import { cacheRoots } from "../../cache/cache_paths.ts";
import type { ListedModel } from "../../cache/list_models.ts";
import {
  type FileFinding,
  isFault,
  judgedFindings,
  type Verification,
  verifyModel,
} from "../../cache/verify_model.ts";
import {
  filesIn,
  type SignatureTrust,
  signatureTrust,
  unsignedFiles,
} from "../../download/check_signature.ts";
import { AimError } from "../../errors/aim_error.ts";
import { errorFrom } from "../../errors/from_unknown.ts";
import { EXIT_CODES } from "../../errors/exit_codes.ts";
import { log } from "../../log/logger.ts";
import { command, type CommandContext, FORMAT_FLAG } from "../command.ts";
import { PROGRESS_FLAG } from "../download_flags.ts";
import { startProgress } from "../progress.ts";
import { count, formatBytes } from "../format.ts";
import { folderInWords, LAYOUT_FLAG, pickModels } from "../pick_models.ts";
import { green, red, yellow } from "../style.ts";

export const cacheVerify = command({
  usage: "cache verify [MODEL...]",
  summary: "hash every file of the cached models, and list bad and missing ones",
  settings: [
    ...["cachePath", "hfEndpoint", "offline", "jobs", "partSize", "maxBandwidth", "stallTimeout"] as const,
    ...["modelSignature", "signatureKey", "signatureCertificates"] as const,
  ],
  flags: {
    ...LAYOUT_FLAG,
    "--repair": "download bad and missing files again from the model's source, at the same commit",
    ...PROGRESS_FLAG,
    ...FORMAT_FLAG,
  },
  examples: {
    "aim cache verify": "all models",
    "aim cache verify --repair meta-llama/Llama-3.1-8B-Instruct":
      "one model, and download bad and missing files again",
    "aim cache verify --format json": "as JSON; exit code 8 if a file is bad, missing or unproven",
  },
  // Marks bad models on disk.
  permissions: { write: true, net: true },
  netOnlyWith: "repair",
  async run(context) {
    const { flags, print, signal, stdout } = context;
    const models = (await pickModels(context)).flatMap((folder) => folder.models);
    if (models.length === 0) {
      const message = `no models in ${context.config.cachePath} and ${context.config.hfHubCache}`;
      throw new AimError("not-found", message, { hint: "check AIM_CACHE_PATH and HF_HOME" });
    }
    const roots = cacheRoots(context.config);
    const trust = signatureTrust(context.config);
    const results: Verification[] = [];
    let failure: AimError | null = null;
    const progress = startProgress(context, { doing: "verifying" });
    const sum = (key: "files" | "bytes") => models.reduce((total, model) => total + model[key], 0);
    progress.onEvent({ type: "start", files: sum("files"), bytes: sum("bytes"), bytesPresent: 0 });
    try {
      for (const model of models) {
        let result = await verifyModel(model, { signal, roots, onEvent: progress.onEvent });
        if (trust !== null) result = await withSignature(model, result, trust, signal);
        try {
          if (flags.repair === true && isBad(result)) result = await repaired(context, model, result, roots);
        } catch (error) {
          signal.throwIfAborted();
          // The other models are still verified.
          if (failure !== null) log.error(failure.line);
          failure = errorFrom(error, `repairing ${model.name}`);
        }
        results.push(result);
        // On a terminal, text would disturb the progress bar.
        if (flags.format !== "json" && !stdout.isTerminal) print(inWords(result));
      }
    } finally {
      progress[Symbol.dispose]();
    }
    context.report(
      { models: results.map(summaryOf) },
      () => stdout.isTerminal ? results.map(inWords).join("") : "",
    );
    if (failure !== null) throw failure;
    return results.some(isBad) ? EXIT_CODES.integrity.code : 0;
  },
});

function summaryOf({ model, bytes, findings, repaired }: Verification) {
  const faults = findings.filter(({ state }) => state !== "good");
  const good = findings.length - faults.length;
  return { model, whole: faults.length === 0 && good > 0, bytes, good, findings: faults, repaired };
}

function isBad({ findings }: Verification): boolean {
  return findings.some(isFault) || findings.every(({ state }) => state !== "good");
}

/** Marks files that differ from what was signed as bad, even if they match their source's digests. */
async function withSignature(
  model: ListedModel,
  found: Verification,
  trust: SignatureTrust,
  signal: AbortSignal,
): Promise<Verification> {
  const unsigned = await unsignedFiles(trust, model.name, await filesIn(model.path), signal);
  const wrong = new Map(unsigned.map(({ path, kind, reason }): [string, FileFinding] => {
    const state = kind === "missing" ? "missing" : "bad";
    return [path, { path, state, reason: `it ${reason}` }];
  }));
  // The signature proves all other files.
  const others = found.findings.filter(({ path }) => !wrong.has(path)).map((one) =>
    isFault(one) ? one : good(one)
  );
  return { ...found, findings: [...wrong.values(), ...others] };
}

/** Downloads bad and missing files again. Returns the faults that are left. */
async function repaired(
  { config, env, signal }: CommandContext,
  model: ListedModel,
  found: Verification,
  roots: readonly string[],
): Promise<Verification> {
  const files = found.findings.filter(({ path }) => path !== "");
  const wrong = files.filter(isFault).map(({ path }) => path);
  const report = await repairModel({ config, env, model, paths: files.map(({ path }) => path), signal });
  log.info(`repaired ${model.name}: ${formatBytes(report.bytesMoved)} fetched from ${report.source}`, {
    files: wrong,
  });
  const now = files.map((one) => isFault(one) ? good(one) : one);
  return { ...found, repaired: wrong, findings: [...now, ...await judgedFindings(model, roots, now)] };
}

function good({ path }: FileFinding): FileFinding {
  return { path, state: "good", reason: "" };
}

function inWords(result: Verification): string {
  const { model, whole, bytes, good, findings, repaired } = summaryOf(result);
  const which = `${folderInWords(model)}${model.commit === null ? "" : ` ${model.commit.slice(0, 12)}`}`;
  const mended = repaired === undefined ? "" : `, ${count(repaired.length, "file")} repaired`;
  const head = whole
    ? green(`${which}: good, ${count(good, "file")}, ${formatBytes(bytes)}${mended}`)
    : `${which}: ${good} good, ${findings.length} not${mended}`;
  const rest = findings.map(({ path, state, reason }) => {
    const mark = state === "unknown" ? yellow("unknown") : red(state.padEnd(7));
    return `  ${mark} ${model.path}${path === "" ? "" : `/${path}`}: ${reason}`;
  });
  return `${[head, ...rest].join("\n")}\n`;
}
