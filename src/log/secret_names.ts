/** True for names of secrets, such as `OPENAI_API_KEY`, `api-key`, `hf_token` and `kv.password`. */
export function isSecretName(name: string): boolean {
  return /(?:api[-_]?key|access[-_]?key|private[-_]?key|secret[-_]?key|token|secret|passw(?:or)?d|passphrase|credentials?)$/i
    .test(name);
}

/** The environment without secrets, for programs that need none. */
export function withoutSecrets(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value === undefined || isSecretName(name) ? [] : [[name, value]]
    ),
  );
}
