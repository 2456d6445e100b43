/** What makes a name this run's own: 8 hexadecimal digits. */
export function nonce(): string {
  return crypto.randomUUID().slice(0, 8);
}
