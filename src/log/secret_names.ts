/**
 * True for names under which values are secrets: `OPENAI_API_KEY`, `api-key`, `hf_token`, `kv.password`. Of a
 * dotted or nested name, the last part.
 */
export function isSecretName(name: string): boolean {
  return /(?:api[-_]?key|access[-_]?key|private[-_]?key|secret[-_]?key|token|secret|passw(?:or)?d|passphrase|credentials?)$/i
    .test(name);
}

/** An environment without the variables that hold secrets, for programs that need none. */
export function withoutSecrets(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && !isSecretName(name)) kept[name] = value;
  }
  return kept;
}
