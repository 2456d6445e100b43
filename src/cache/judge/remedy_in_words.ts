/** What fixes a model. */
const REMEDIES = {
  repair: "run aim cache verify --repair MODEL",
  finish: "rerun the download of MODEL",
  permissions: "make the files readable for this user (chmod -R a+rX on the model's directory)",
  links: "serve the link's target by its own path (--model /PATH), or mount it inside the cache",
  base: "serve the base model that its adapter_config.json names",
} as const;

export type Remedy = keyof typeof REMEDIES;

/** What to do about an incomplete model: an imperative clause. @param name `org/model`. */
export function remedyInWords(remedy: Remedy, name: string): string {
  return REMEDIES[remedy].replace("MODEL", () => name);
}
