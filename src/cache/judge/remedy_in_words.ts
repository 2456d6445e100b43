import type { Remedy } from "./types.ts";

/** What to do about an incomplete model: an imperative clause. @param name `org/model`. */
export function remedyInWords(remedy: Remedy, name: string): string {
  switch (remedy) {
    case "repair":
      return `run aim cache verify --repair ${name}`;
    case "finish":
      return `rerun the download of ${name}`;
    case "permissions":
      return "make the files readable for this user (chmod -R a+rX on the model's directory)";
    case "links":
      return "serve the link's target by its own path (--model /PATH), or mount it inside the cache";
    case "base":
      return "serve the base model that its adapter_config.json names";
  }
}
