/** An entry of a test archive. */
export interface TestEntry {
  readonly name: string;
  /** @default {"0"} a regular file */
  readonly type?: string;
  readonly content?: Uint8Array | string;
  readonly linkName?: string;
  /** The size in the header. @default {the content's size} */
  readonly size?: number;
  readonly prefix?: string;
}

/** Makes a tar archive (ustar), including invalid ones. */
export function makeTar(entries: readonly TestEntry[], { end = true } = {}): Uint8Array<ArrayBuffer> {
  const blocks = entries.flatMap((entry) => {
    const content = typeof entry.content === "string"
      ? new TextEncoder().encode(entry.content)
      : entry.content ?? new Uint8Array();
    return [tarHeader({ ...entry, size: entry.size ?? content.length }), padded(content)];
  });
  return joined(end ? [...blocks, new Uint8Array(1024)] : blocks);
}

/** A pax extended header with these records. */
export function paxEntry(records: Readonly<Record<string, string>>, type = "x"): TestEntry {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = new TextEncoder().encode(` ${key}=${value}\n`).length;
    let length = rest + 1;
    while (`${length}`.length + rest !== length) length++;
    return `${length} ${key}=${value}\n`;
  });
  return { name: "pax", type, content: lines.join("") };
}

function tarHeader({ name, type = "0", linkName = "", size = 0, prefix = "" }: TestEntry): Uint8Array {
  const header = new Uint8Array(512);
  const put = (at: number, text: string) => header.set(new TextEncoder().encode(text), at);
  put(0, name);
  put(100, "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${size.toString(8).padStart(11, "0")}\0`);
  put(136, "00000000000\0");
  put(148, "        ");
  put(156, type);
  put(157, linkName);
  put(257, "ustar\0");
  put(263, "00");
  put(345, prefix);
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return header;
}

function padded(content: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(content.length / 512) * 512);
  whole.set(content);
  return whole;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
