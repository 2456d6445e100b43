import { AimError } from "../../errors/aim_error.ts";
import { keepSecret } from "../../log/redact.ts";
import { readRegularText } from "../../os/read_regular_file.ts";

export interface RegistryLogin {
  readonly user: string;
  readonly password: string;
  /** An identity token, which is exchanged for access tokens (OAuth2). */
  readonly identityToken: string | null;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Finds the login for a registry in the files of registry clients: `REGISTRY_AUTH_FILE`, else podman's
 * `$XDG_RUNTIME_DIR/containers/auth.json`, else `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
 * The most specific entry wins (`host/org/model` before `host/org` before `host`).
 *
 * @returns `null` if there is no login for the registry.
 * @throws {AimError} `usage`: the named file is missing or damaged, or a credential helper stores the login.
 */
export async function registryLogin(
  registry: string,
  repository: string,
  env: Env,
): Promise<RegistryLogin | null> {
  const named = env.REGISTRY_AUTH_FILE;
  const docker = env.DOCKER_CONFIG || env.HOME && `${env.HOME}/.docker`;
  const usual = [
    env.XDG_RUNTIME_DIR && `${env.XDG_RUNTIME_DIR}/containers/auth.json`,
    docker && `${docker}/config.json`,
  ];
  for (const path of named ? [named] : usual) {
    if (!path) continue;
    const read = await readRegularText(path);
    if (read.kind === "absent" && !named) continue;
    if (read.kind !== "ok") {
      throw new AimError("usage", `${path} cannot be read: ${read.reason}`, {
        hint: "check REGISTRY_AUTH_FILE and DOCKER_CONFIG, and who may read the file",
      });
    }
    const login = loginIn(read.value, registry, repository, path);
    if (login !== null) return login;
  }
  return null;
}

interface AuthFile {
  readonly auths?: Readonly<Record<string, AuthEntry | null>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

type AuthEntry = Readonly<Record<string, unknown>>;

function loginIn(text: string, registry: string, repository: string, path: string): RegistryLogin | null {
  let file: AuthFile | null;
  try {
    file = JSON.parse(text) as AuthFile | null;
  } catch (cause) {
    const hint = "log in again with your registry client";
    throw new AimError("usage", `${path} is not JSON`, { hint, cause });
  }
  const entry = entryFor(file?.auths ?? {}, registry, repository);
  const login = entry === null ? null : loginOf(entry);
  if (login !== null) return login;
  const helper = file?.credHelpers?.[registry] ?? (entry === null ? undefined : file?.credsStore);
  if (helper === undefined) return null;
  const message = `the login for ${registry} is stored by docker-credential-${helper} (${path})`;
  const hint =
    "aim does not run credential helpers: log in with a plain login file, and set REGISTRY_AUTH_FILE to it";
  throw new AimError("usage", message, { hint });
}

function entryFor(
  auths: NonNullable<AuthFile["auths"]>,
  registry: string,
  repository: string,
): AuthEntry | null {
  const parts = [registry, ...repository.split("/")];
  // Docker writes Docker Hub as a URL; some clients do so for every registry.
  return parts.map((_, dropped) => parts.slice(0, parts.length - dropped).join("/"))
    .flatMap((name) => [name, `https://${name}`, `https://${name}/v1/`, `https://${name}/v2/`])
    .map((name) => auths[name]).find((entry) => entry) ?? null;
}

function loginOf({ auth, username, password, identitytoken }: AuthEntry): RegistryLogin | null {
  let [user, secret] = [textOf(username), textOf(password)];
  if (textOf(auth) !== "") {
    try {
      const text = new TextDecoder().decode(Uint8Array.fromBase64(textOf(auth)));
      [user, secret] = [text.slice(0, text.indexOf(":")), text.slice(text.indexOf(":") + 1)];
    } catch {
      return null;
    }
  }
  const identityToken = textOf(identitytoken) || null;
  if (secret === "" && identityToken === null) return null;
  for (const word of [secret, identityToken, textOf(auth)]) if (word) keepSecret(word);
  return { user, password: secret, identityToken };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
