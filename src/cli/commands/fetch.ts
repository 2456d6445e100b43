import { directPlacement } from "../../cache/local_placement.ts";
import { artifactReporter } from "../../download/artifact_reporter.ts";
import { downloadInto } from "../../download/download_into.ts";
import { AimError } from "../../errors/aim_error.ts";
import { settingsIn } from "../../config/settings.ts";
import { errorFrom } from "../../errors/from_unknown.ts";
import { log } from "../../log/logger.ts";
import { parseModelRef, quantisationIn } from "../../sources/model_ref.ts";
import { totalBytes } from "../../sources/manifest.ts";
import { command } from "../command.ts";
import { DOWNLOAD_FLAGS, DOWNLOAD_SETTINGS, downloadOptions } from "../download_flags.ts";
import { startProgress } from "../progress.ts";

export const fetch = command({
  usage: "fetch URI [DEST]",
  summary: "download a model into a given directory",
  model: "source",
  settings: [...DOWNLOAD_SETTINGS, ...settingsIn("fetch")],
  flags: DOWNLOAD_FLAGS,
  examples: {
    "aim fetch hf://mistralai/Mistral-7B-v0.1 /mnt/models": "as a KServe storage initializer does",
    "aim fetch s3://bucket/models/org/m ./m --exclude '*.bin'": "without the .bin files",
    "TARGET_DIR=./m aim fetch hf://org/model --revision v1.0":
      "one revision, into the directory that TARGET_DIR names",
  },
  permissions: { write: true, net: true },
  async run(context) {
    const { config, env, args } = context;
    const [uri = "", directory = config.targetDir] = args;
    const ref = parseModelRef(uri);
    if (directory === null) {
      const hint = "add DEST after the URI, or set TARGET_DIR";
      throw new AimError("usage", "fetch needs a directory to download into", { hint });
    }
    const options = downloadOptions(context, ref);
    const placement = directPlacement({ directory, quantisation: quantisationIn(ref) });
    using artifact = await artifactReporter(env, {
      // Only the hub has more than one protocol.
      protocols: ref.kind === "hub" ? config.protocols : [ref.kind.toUpperCase()],
      expected: config.expectedSize ?? undefined,
      interval: config.progressInterval,
    });
    using progress = startProgress(context, { model: uri });
    try {
      const report = await downloadInto(config, env, ref, placement, {
        ...options,
        onEvent(event) {
          progress.onEvent(event);
          artifact?.tally.add(event);
        },
        onListed(manifest) {
          const bytes = totalBytes(manifest);
          artifact?.tally.listed(bytes);
          if (manifest.archives === undefined) compareSize(config.expectedSize, manifest.source, bytes);
        },
        onProtocol: (protocol) => artifact?.tally.goOnBy(protocol),
      });
      progress.finish(report);
      await artifact?.end(null);
      context.report(report, () => `${report.path}\n`);
    } catch (error) {
      await artifact?.end(errorFrom(error, `fetching ${uri}`).line);
      throw error;
    }
  },
});

/** Warns if the model may not fit on its volume. The expected size may be the volume's, so less is normal. */
function compareSize(expected: number | null, source: string, bytes: number): void {
  if (expected === null || expected === 0 || expected === bytes) return;
  const say = bytes > expected ? log.warn : log.info;
  say(`${source} has ${bytes} bytes, EXPECTED_SIZE_BYTES says ${expected}`);
}
