import { AimError } from "../errors/aim_error.ts";
import { HubSource } from "./hub/hub_source.ts";
import { type ModelRef, uriOf } from "./model_ref.ts";
import { OciSource } from "./oci/oci_source.ts";
import { S3Source } from "./s3/s3_source.ts";
import type { Source } from "./source.ts";
import type { SourceOptions } from "./source_options.ts";

/**
 * Opens a model's source, without a request. @throws {AimError} `not-found` when offline; `usage` for a path.
 */
export function openSource(ref: ModelRef, options: SourceOptions): Source {
  if (ref.kind === "path") {
    throw new AimError("usage", `${ref.path} is a path on this machine: there is nothing to download`, {
      hint: "name a model as org/model, hf://org/model or s3://bucket/prefix",
    });
  }
  if (ref.kind === "oci-layout") return new OciSource(ref, options);
  if (options.offline) {
    throw new AimError("not-found", `${uriOf(ref)} cannot be reached: HF_HUB_OFFLINE (--offline) is on`, {
      hint: "turn it off, or download the model first with aim download-to-cache",
    });
  }
  if (ref.kind === "hub") return new HubSource(ref, options);
  return ref.kind === "oci" ? new OciSource(ref, options) : new S3Source(ref, options);
}
