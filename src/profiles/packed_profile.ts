import { readPlainYaml } from "../values/read_plain_yaml.ts";
import { type ProfileContent, profileContent } from "./profile_content.ts";
import type { ProfilePlace } from "./profile_from_value.ts";
import type { Profile } from "./types.ts";

/** A profile in an executable: what selection looks at, worked out when it was built, and the file's text. */
export interface PackedProfile extends Pick<Profile, "aimId" | "modelId" | "metadata"> {
  readonly text: string;
}

/** The profile. Its text is read when something asks for arguments or variables, as the chosen one's are. */
export function unpackProfile(
  { text, aimId, modelId, metadata }: PackedProfile,
  place: ProfilePlace,
): Profile {
  let read: ProfileContent | undefined;
  const content = () => read ??= profileContent(readPlainYaml(text) ?? new Map());
  const { path, origin, priority } = place;
  return {
    id: place.idOf(aimId),
    path,
    origin,
    priority,
    aimId,
    modelId,
    metadata,
    get engineArgs() {
      return content().engineArgs;
    },
    get envVars() {
      return content().envVars;
    },
    get content() {
      return content().content;
    },
  };
}
