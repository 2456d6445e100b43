/** What is wrong with a value, and where: an error object of ajv without its message. */
export interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Checks a profile; what is wrong is in `errors` until the next call. */
export const profile: ((value: unknown) => boolean) & { errors?: readonly SchemaError[] | null };
