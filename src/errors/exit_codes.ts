/** The documented exit codes by kind of failure, for help, README and the process. */
export const EXIT_CODES = {
  unexpected: { code: 1, meaning: "unexpected error" },
  usage: { code: 2, meaning: "usage or configuration" },
  "no-profile": { code: 3, meaning: "no compatible profile" },
  unauthorized: { code: 4, meaning: "not authorised (gated, token, S3 denied)" },
  "not-found": { code: 5, meaning: "not found (model, revision, bucket, not in cache offline)" },
  network: { code: 6, meaning: "network: retries exhausted" },
  "no-space": { code: 7, meaning: "no space, quota, not writable" },
  integrity: { code: 8, meaning: "integrity: digest or size mismatch" },
  engine: { code: 9, meaning: "engine not found or exec failed" },
  interrupted: { code: 130, meaning: "interrupted (SIGINT)" },
  terminated: { code: 143, meaning: "terminated (SIGTERM)" },
} as const;

export type ErrorKind = keyof typeof EXIT_CODES;
