import { exportOciLayout } from "../../export/export_oci_layout.ts";
import { AimError } from "../../errors/aim_error.ts";
import { count, formatBytes } from "../format.ts";
import { LAYOUT_FLAG, pickModels } from "../pick_models.ts";
import { command, FORMAT_FLAG } from "../command.ts";

export const exportModel = command({
  usage: "export MODEL DIR",
  summary: "write a cached model as an OCI layout directory, for a registry or an air gap",
  settings: ["cachePath"],
  flags: {
    "--oci-layout": "output layout (the only one)",
    "--tag TAG=latest": "name of the artifact in the layout",
    ...LAYOUT_FLAG,
    ...FORMAT_FLAG,
  },
  examples: {
    "aim export mistralai/Mistral-7B-v0.1 model-oci":
      "then: skopeo copy oci:model-oci:latest docker://registry/org/model",
    "aim export mistralai/Mistral-7B-v0.1 model-oci --tag v1": "with a tag",
    "aim export mistralai/Mistral-7B-v0.1 model-oci --format json | jq -r .digest":
      "print the digest, to pin it where the model is used",
  },
  permissions: { write: true },
  async run(context) {
    const { args, config, flags, signal } = context;
    const [name = "", directory = ""] = args;
    const folders = await pickModels({ config, flags, args: [name] });
    const models = folders.flatMap((folder) => folder.models);
    const model = models.find(({ state }) => state === "complete") ??
      models.find(({ state }) => state === "unverified");
    if (model === undefined) {
      const message = `${name} is not complete in the cache: ${models[0]?.reason ?? "it has no files"}`;
      const hint = "download it first, or repair it with aim cache verify --repair";
      throw new AimError("not-found", message, { hint });
    }
    const path = directory.startsWith("/") ? directory : `${Deno.cwd()}/${directory}`;
    const report = await exportOciLayout(model, path, String(flags.tag), signal);
    const size = `${count(report.files, "file")}, ${formatBytes(report.bytes)}`;
    context.report(
      { model: model.name, ...report },
      () => `exported ${model.name} to ${path}: ${size}, ${report.digest}\n`,
    );
  },
});
