import type { ByteRange, Manifest, ManifestFile } from "../manifest.ts";
import { type ModelRef, uriOf } from "../model_ref.ts";
import type { ManifestOptions, RangeBody, Source } from "../source.ts";
import type { SourceOptions } from "../source_options.ts";

export class HubSource implements Source {
  readonly uri: string;

  constructor(ref: Extract<ModelRef, { kind: "hub" }>, _options: SourceOptions) {
    this.uri = uriOf(ref);
  }

  manifest(_options: ManifestOptions = {}): Promise<Manifest> {
    return Promise.reject(new Error("being built"));
  }

  read(_file: ManifestFile, _range: ByteRange | null, _signal: AbortSignal): Promise<RangeBody> {
    return Promise.reject(new Error("being built"));
  }

  close(): void {}
}
