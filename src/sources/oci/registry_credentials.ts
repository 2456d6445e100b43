import { AimError } from "../../errors/aim_error.ts";
import { keepSecret } from "../../log/redact.ts";
import { readRegularText } from "../../os/read_regular_file.ts";

/** How one is known at a registry. */
export interface RegistryLogin {
  readonly user: string;
  readonly password: string;
  /** An identity token, which is exchanged for access tokens (OAuth2). */
  readonly identityToken: string | null;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The login for a registry from the files that registry clients keep: `REGISTRY_AUTH_FILE`, else podman's
 * `$XDG_RUNTIME_DIR/containers/auth.json`, else `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. The most exact entry counts
 * (`host/org/model` before `host/org` before `host`).
 *
 * @returns `null` where none of them has the registry: then it is asked without a login.
 * @throws {AimError} `usage`: the file that was named is missing or damaged, or the login is kept by a program.
 */
export async function registryLogin(
  registry: string,
  repository: string,
  env: Env,
): Promise<RegistryLogin | null> {
  for (const { path, named } of places(env)) {
    const read = await readRegularText(path);
    if (read.kind === "absent" && !named) continue;
    if (read.kind !== "ok") {
      throw new AimError(
        "usage",
        `${path} cannot be read: ${read.kind === "absent" ? "it does not exist" : read.reason}`,
        { hint: "check REGISTRY_AUTH_FILE and DOCKER_CONFIG, and who may read the file" },
      );
    }
    const login = loginIn(read.value, registry, repository, path);
    if (login !== null) return login;
  }
  return null;
}

function places(env: Env): { path: string; named: boolean }[] {
  if (env.REGISTRY_AUTH_FILE) return [{ path: env.REGISTRY_AUTH_FILE, named: true }];
  return [
    env.XDG_RUNTIME_DIR && `${env.XDG_RUNTIME_DIR}/containers/auth.json`,
    env.DOCKER_CONFIG ? `${env.DOCKER_CONFIG}/config.json` : env.HOME && `${env.HOME}/.docker/config.json`,
  ].flatMap((path) => path ? [{ path, named: false }] : []);
}

interface AuthFile {
  readonly auths?: Readonly<Record<string, AuthEntry | undefined>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

interface AuthEntry {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
}

function loginIn(text: string, registry: string, repository: string, path: string): RegistryLogin | null {
  let file: AuthFile;
  try {
    file = JSON.parse(text) as AuthFile;
  } catch (cause) {
    throw new AimError("usage", `${path} is not JSON`, {
      hint: "log in again with your registry client",
      cause,
    });
  }
  const entry = entryFor(file.auths ?? {}, registry, repository);
  const login = entry === null ? null : loginOf(entry);
  if (login !== null) return login;
  const helper = file.credHelpers?.[registry] ?? (entry === null ? undefined : file.credsStore);
  if (helper === undefined) return null;
  throw new AimError(
    "usage",
    `the login for ${registry} is kept by the program docker-credential-${helper} (${path})`,
    {
      hint:
        "a command that downloads runs no programs: log in with a plain file, and name it with REGISTRY_AUTH_FILE",
    },
  );
}

function entryFor(
  auths: NonNullable<AuthFile["auths"]>,
  registry: string,
  repository: string,
): AuthEntry | null {
  const parts = [registry, ...repository.split("/")];
  for (let length = parts.length; length > 0; length--) {
    const name = parts.slice(0, length).join("/");
    // Docker writes its own hub's as an address, and some clients all of them.
    const entry = auths[name] ?? auths[`https://${name}`] ?? auths[`https://${name}/v1/`] ??
      auths[`https://${name}/v2/`];
    if (entry !== undefined) return entry;
  }
  return null;
}

function loginOf({ auth, username, password, identitytoken }: AuthEntry): RegistryLogin | null {
  let [user, secret] = [username ?? "", password ?? ""];
  if (auth !== undefined && auth !== "") {
    try {
      const text = new TextDecoder().decode(Uint8Array.fromBase64(auth));
      [user, secret] = [text.slice(0, text.indexOf(":")), text.slice(text.indexOf(":") + 1)];
    } catch {
      return null;
    }
  }
  const identityToken = identitytoken || null;
  if (secret === "" && identityToken === null) return null;
  for (const word of [secret, identityToken, auth]) if (word) keepSecret(word);
  return { user, password: secret, identityToken };
}
