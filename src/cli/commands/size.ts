import { log } from "../../log/logger.ts";
import { openSource } from "../../sources/open_source.ts";
import { pathFilter } from "../../sources/filter_paths.ts";
import { parseModelRef } from "../../sources/model_ref.ts";
import { sourceOptions } from "../../sources/source_options.ts";
import { totalBytes } from "../../sources/manifest.ts";
import { FILES_FLAGS, wantedFiles } from "../download_flags.ts";
import { formatBytes } from "../format.ts";
import { command } from "../command.ts";

export const size = command({
  usage: "size URI",
  summary: "print the size of a model at its source",
  model: "served",
  settings: ["modelId", "hfEndpoint", "offline"],
  flags: { ...FILES_FLAGS, "--format json": "output format" },
  examples: {
    "aim size hf://mistralai/Mistral-7B-v0.1": "one line of JSON with url and sizeBytes",
    "aim size s3://bucket/models/org/m --include '*.safetensors'": "only the weights",
    "aim size mistralai/Mistral-7B-v0.1 --revision main": "of one branch, tag or commit",
  },
  permissions: { net: true },
  async run({ config, env, flags, print, signal }) {
    const url = config.modelId ?? "";
    const ref = parseModelRef(url);
    using source = openSource(ref, sourceOptions(config, env));
    const { revision, include, exclude } = wantedFiles({ flags, env }, ref);
    const manifest = await source.manifest({ revision, wanted: pathFilter(include, exclude), signal });
    if (manifest.archives !== undefined) {
      const packed = formatBytes(totalBytes({ files: manifest.archives.map(({ file }) => file) }));
      log.warn(
        `${url} has ${packed} of archives: unpacking needs the same space again, and restarts if interrupted`,
      );
    }
    print(`${JSON.stringify({ url, sizeBytes: totalBytes(manifest) })}\n`);
  },
});
