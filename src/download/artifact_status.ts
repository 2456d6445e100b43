import type { TransferEvent } from "../transfer/types.ts";

/** Turns a download's events into its AIMArtifact's status (group `aim.eai.amd.com`, version `v1alpha1`). */
export class ArtifactTally {
  readonly #protocols: readonly string[];
  #attempt = 1;
  #total: number;
  /** Bytes that were on disk before the transfer. */
  #before = 0;
  #arrived = 0;
  #unpacking = false;
  #end: { readonly complete: boolean; readonly message: string } | null = null;

  /** @param expected Expected bytes, until the source has listed its files; 0 if unknown. */
  constructor(protocols: readonly string[], expected: number) {
    this.#protocols = protocols;
    this.#total = expected;
  }

  listed(bytes: number): void {
    this.#total = bytes;
  }

  add(event: TransferEvent): void {
    if (event.type === "start") {
      this.#unpacking = event.unpacking === true;
      if (this.#unpacking) return;
      // Files that are not counted in `bytes` are complete.
      this.#before = Math.max(0, this.#total - event.bytes) + event.bytesPresent;
      this.#arrived = 0;
    }
    if (event.type === "bytes" && !this.#unpacking) this.#arrived += event.bytes;
  }

  /** Called with the next protocol when one has failed. */
  goOnBy(protocol: string): void {
    const at = this.#protocols.indexOf(protocol);
    if (at !== -1) this.#attempt = at + 1;
  }

  end(complete: boolean, message: string): void {
    this.#end = { complete, message };
  }

  status() {
    const total = this.#total;
    const complete = this.#end?.complete === true;
    const downloaded = complete ? total : Math.max(0, Math.min(total, this.#before + this.#arrived));
    const part = total === 0 ? 0 : Math.floor(downloaded * 100 / total);
    // 100 only for a complete model.
    const percentage = complete ? 100 : Math.min(99, part);
    const protocol = this.#protocols[this.#attempt - 1] ?? "";
    const doing = total > 0 && downloaded === total ? "Verifying" : `Downloading with ${protocol}`;
    return {
      progress: {
        percentage,
        displayPercentage: `${percentage} %`,
        downloadedBytes: downloaded,
        totalBytes: total,
      },
      download: {
        protocol,
        attempt: this.#attempt,
        totalAttempts: this.#protocols.length,
        protocolSequence: this.#protocols.join(","),
        message: this.#end?.message ?? doing,
      },
    };
  }
}
