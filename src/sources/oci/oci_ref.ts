export interface OciRef {
  readonly kind: "oci";
  /** Host, with a port unless it is 443. */
  readonly registry: string;
  /** Path of the repository, as `org/model`. */
  readonly repository: string;
  /** A tag, or `sha256:` and 64 hex digits. */
  readonly reference: string;
}

/** An artifact in an OCI layout directory on this machine. */
export interface OciLayoutRef {
  readonly kind: "oci-layout";
  /** Absolute. */
  readonly directory: string;
  /** A tag, or a digest. The default is `latest`, which also matches a single manifest without a tag. */
  readonly reference: string;
}

// The distribution specification's rules for names and tags.
const PART = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REPOSITORY = new RegExp(`^${PART}(?:/${PART})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const REGISTRY = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;

/**
 * Parses the part after `oci://`: `registry/repository[:tag|@sha256:HEX]`. The default tag is `latest`. A
 * digest overrides a tag.
 *
 * @returns The reference, or what is wrong with it in one clause.
 */
export function parseOciRef(text: string): OciRef | string {
  const slash = text.indexOf("/");
  if (slash <= 0) return "an artifact has the form oci://registry/repository[:tag|@sha256:HEX]";
  const registry = text.slice(0, slash);
  if (!REGISTRY.test(registry)) return `"${registry.replace(/.*@/, "***@")}" is not a registry's host`;
  const [path = "", digest] = text.slice(slash + 1).split("@", 2);
  const colon = path.lastIndexOf(":");
  const repository = (colon < 0 ? path : path.slice(0, colon)).replace(/\/+$/, "");
  const reference = digest ?? (colon < 0 ? "latest" : path.slice(colon + 1));
  if (repository.length > 255 || !REPOSITORY.test(repository)) {
    return `"${repository}" is not a repository's name (lower case, digits, and . _ - between them)`;
  }
  if (digest !== undefined && !DIGEST.test(digest)) {
    return `"${digest}" is not a digest (sha256: and 64 hex digits)`;
  }
  if (digest === undefined && !TAG.test(reference)) return `"${reference}" is not a tag`;
  return { kind: "oci", registry, repository, reference };
}

/**
 * Parses the part after `oci-layout:`: a directory, absolute or relative to `cwd`, then perhaps a tag or a
 * digest.
 */
export function parseOciLayoutRef(text: string, cwd: string): OciLayoutRef | string {
  const [, path = text, tag, digest] = /^(.*?)(?::([^/:@]*))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text) ?? [];
  if (path === "") return "it names no directory";
  if (tag !== undefined && !TAG.test(tag)) return `"${tag}" is not a tag`;
  const directory = (path.startsWith("/") ? path : `${cwd}/${path}`).replaceAll(/\/(?:\.?\/)+/g, "/").replace(
    /(?<=.)\/\.?$/,
    "",
  );
  return { kind: "oci-layout", directory, reference: digest ?? tag ?? "latest" };
}

export function isDigest(reference: string): boolean {
  return DIGEST.test(reference);
}

export function hexIn(digest: string): string {
  return digest.slice("sha256:".length);
}
