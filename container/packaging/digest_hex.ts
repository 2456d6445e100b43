/** A digest in lower-case hexadecimal. */
export async function digestHex(algorithm: "SHA-256" | "SHA-512", bytes: BufferSource): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest(algorithm, bytes)).toHex();
}
