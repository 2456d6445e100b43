const SIZE = 20;

/**
 * The machine that a 64-bit little-endian ELF file is for (`e_machine` of elf(5)); `null` for any other file.
 */
export function elfMachine(path: string): number | null {
  using file = Deno.openSync(path);
  const head = new Uint8Array(SIZE);
  if (file.readSync(head) !== SIZE) return null;
  const [magic, kind] = ["7f454c46", "0201"];
  if (head.subarray(0, 4).toHex() !== magic || head.subarray(4, 6).toHex() !== kind) return null;
  return new DataView(head.buffer).getUint16(18, true);
}
