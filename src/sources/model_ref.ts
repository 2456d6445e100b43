import { AimError } from "../errors/aim_error.ts";
import { type OciLayoutRef, type OciRef, parseOciLayoutRef, parseOciRef } from "./oci/oci_ref.ts";
import { isQuantisation } from "./quantisation.ts";
import { partFault, pathFault } from "./safe_path.ts";

/** A model on a hub. */
export interface HubRef {
  readonly kind: "hub";
  /** `org/model`, or `model` for the hub's oldest repositories. */
  readonly id: string;
  /** Branch, tag or commit; `null` if none was named. */
  readonly revision: string | null;
  /** GGUF quantisation such as `Q4_K_M`: only its weights. @default {the complete repository} */
  readonly quantisation?: string;
}

/** A directory of a bucket. */
export interface S3Ref {
  readonly kind: "s3";
  /** A bucket's name, `tenant:bucket` (Ceph), or the ARN of an access point. */
  readonly bucket: string;
  /** Prefix of the keys, without a slash at the end; empty for the complete bucket. */
  readonly prefix: string;
}

/** A model as a user names it. */
export type ModelRef =
  | HubRef
  | S3Ref
  | OciRef
  | OciLayoutRef
  | { readonly kind: "path"; readonly path: string };

const FORMS =
  "use org/model, hf://org/model[@REVISION][:QUANTISATION], s3://bucket/prefix, oci://registry/repository[:tag], or an absolute path";
/** Hosts of the public hub: people paste addresses of its pages. */
const HUB_HOSTS = ["huggingface.co", "www.huggingface.co", "hf.co"];

/**
 * Parses a reference: `org/model` or `hf://org/model`, either with `@REVISION`; `s3://bucket/prefix`;
 * `oci://registry/repository:tag`; or an absolute path. `:Q4_K_M` after a hub model selects a GGUF quantisation, as
 * in vLLM; any other `hf://org/model:REVISION` is KServe's spelling of a revision. The address of a model's page on
 * the public hub, or of a file there, means that model at that revision.
 *
 * @throws {AimError} `usage`, naming the value and what is wrong with it.
 */
export function parseModelRef(text: string): ModelRef {
  if (text.trim() === "") throw new AimError("usage", "the model's name is empty", { hint: FORMS });
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(text)) throw refused(text, "it contains a control character");
  if (text.startsWith("/")) return { kind: "path", path: text.replace(/(?<=.)\/+$/, "") };
  if (text.startsWith("oci-layout:")) {
    return checked(text, parseOciLayoutRef(text.slice("oci-layout:".length), Deno.cwd()));
  }
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text);
  const rest = text.slice(scheme?.[0].length ?? 0);
  switch (scheme?.[1]?.toLowerCase()) {
    case undefined:
      return hubRef(text, rest, /@/);
    case "hf":
      return hubRef(text, rest, /[@:]/);
    case "s3":
      return s3Ref(text, rest);
    case "oci":
      return checked(text, parseOciRef(rest));
    case "http":
    case "https":
      return pageRef(text);
    default:
      throw refused(text, `${scheme?.[1]}:// is not a source of models`);
  }
}

/** The GGUF quantisation that a reference selects, if any. */
export function quantisationIn(ref: ModelRef): string | undefined {
  return ref.kind === "hub" ? ref.quantisation : undefined;
}

/** The revision that a reference names; `null` if it names none. */
export function revisionIn(ref: ModelRef): string | null {
  return ref.kind === "hub" ? ref.revision : null;
}

/** The canonical spelling of a reference, without revision: the source of a manifest. */
export function uriOf(ref: ModelRef): string {
  switch (ref.kind) {
    case "hub":
      return `hf://${ref.id}`;
    case "s3":
      return ref.prefix === "" ? `s3://${ref.bucket}` : `s3://${ref.bucket}/${ref.prefix}`;
    case "oci":
    case "oci-layout": {
      const place = ref.kind === "oci"
        ? `oci://${ref.registry}/${ref.repository}`
        : `oci-layout:${ref.directory}`;
      return `${place}${ref.reference.startsWith("sha256:") ? "@" : ":"}${ref.reference}`;
    }
    case "path":
      return ref.path;
  }
}

function hubRef(text: string, rest: string, separator: RegExp): HubRef {
  const [, before = "", word = ""] = /^(.+):([^:]+)$/.exec(rest) ?? [];
  if (isQuantisation(word)) return { ...hubRef(text, before, /@/), quantisation: word };
  const at = rest.search(separator);
  return at < 0 ? hubModel(text, rest, null) : hubModel(text, rest.slice(0, at), rest.slice(at + 1));
}

function hubModel(text: string, id: string, revision: string | null): HubRef {
  const fault = id === "" ? "it names no model" : hubIdFault(id);
  if (fault !== null) throw refused(text, fault);
  if (revision !== null) assertRevision(revision);
  return { kind: "hub", id, revision };
}

const PAGES = ["tree", "blob", "resolve", "raw", "commit", "commits"];

/**
 * `https://huggingface.co/org/model`, with `/tree/REV`, `/blob/REV/file`, `/raw/REV/file` or
 * `/resolve/REV/file`.
 */
function pageRef(text: string): HubRef {
  const url = URL.parse(text);
  if (url === null) throw refused(text, "it is not an address");
  if (!HUB_HOSTS.includes(url.hostname)) {
    const message = `${JSON.stringify(text)} is not an address of a model on the Hugging Face Hub`;
    throw new AimError("usage", message, {
      hint: `for a hub at ${url.host}, set HF_ENDPOINT to its address and name the model as org/model`,
    });
  }
  const parts = url.pathname.split("/").filter((part) => part !== "").map(decoded);
  if (["datasets", "spaces", "collections", "docs", "papers", "blog"].includes(parts[0] ?? "")) {
    throw refused(text, `it is in the hub's ${parts[0]}`);
  }
  const at = parts.findIndex((part, index) => index > 0 && PAGES.includes(part));
  if (at < 0) return hubModel(text, parts.join("/"), null);
  // Only revisions such as `refs/pr/1` have slashes in an address.
  const length = parts[at + 1] === "refs" ? 3 : 1;
  const revision = parts.slice(at + 1, at + 1 + length).join("/");
  return hubModel(text, parts.slice(0, at).join("/"), revision || null);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The hub's rules for repository names, as in huggingface_hub's validate_repo_id. */
function hubIdFault(id: string): string | null {
  const parts = id.split("/");
  if (parts.length > 2) return "a hub model has the form org/model";
  const fault = pathFault(id);
  if (fault !== null) return fault;
  if (!parts.every((part) => /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(part))) {
    return "a hub name has only letters, digits, -, _ and ., and does not begin or end with - or .";
  }
  if (id.length > 96) return "a hub name has at most 96 characters";
  if (id.includes("..") || id.includes("--")) return "a hub name has neither .. nor --";
  return id.endsWith(".git") ? "a hub name does not end with .git" : null;
}

/**
 * Checks a revision (branch, tag, commit, `refs/pr/N`) by git's rules.
 *
 * @throws {AimError} `usage`.
 */
export function assertRevision(revision: string): void {
  // deno-lint-ignore no-control-regex
  const odd = /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^[/-]|[/.]$|^$/.exec(revision);
  if (odd === null && !revision.split("/").some((part) => part.startsWith("."))) return;
  throw new AimError("usage", `revision ${JSON.stringify(revision)} is not one that git allows`, {
    hint: "use a branch, a tag or a commit",
  });
}

/** Amazon's rule for old buckets, and Ceph's, with a tenant before the name: wider than the rule for new buckets. */
const BUCKET = /^(?:[A-Za-z0-9_]{1,64}:)?[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;
/** The ARN of an access point, used like a bucket. */
const ACCESS_POINT = /^arn:aws[a-z-]*:s3:[a-z0-9-]*:\d{12}:accesspoint[/:][A-Za-z0-9.-]{1,63}(?=\/|$)/;

function s3Ref(text: string, rest: string): S3Ref {
  const trimmed = rest.replace(/\/+$/, "");
  const bucket = ACCESS_POINT.exec(trimmed)?.[0] ?? trimmed.split("/", 1)[0] ?? "";
  if (!ACCESS_POINT.test(bucket) && (!BUCKET.test(bucket) || bucket.includes(".."))) {
    throw refused(text, bucket === "" ? "it names no bucket" : `"${bucket}" is not a bucket's name`);
  }
  const prefix = trimmed.slice(bucket.length + 1);
  // S3 allows keys with empty parts.
  const fault = prefix.split("/").filter((part) => part !== "").map(partFault).find((one) => one !== null);
  if (fault) throw refused(text, fault);
  return { kind: "s3", bucket, prefix };
}

function checked<T extends ModelRef>(text: string, parsed: T | string): T {
  if (typeof parsed === "string") throw refused(text, parsed);
  return parsed;
}

function refused(text: string, fault: string): AimError {
  return new AimError("usage", `${JSON.stringify(text)} is not a model: ${fault}`, { hint: FORMS });
}
