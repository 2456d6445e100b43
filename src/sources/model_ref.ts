import { AimError } from "../errors/aim_error.ts";
import { type OciLayoutRef, type OciRef, parseOciLayoutRef, parseOciRef } from "./oci/oci_ref.ts";
import { isQuantisation } from "./quantisation.ts";
import { hubNameFault, partFault, pathFault } from "./safe_path.ts";

export interface HubRef {
  readonly kind: "hub";
  /** `org/model`, or `model` for the hub's oldest repositories. */
  readonly id: string;
  /** Branch, tag or commit; `null` if none was named. */
  readonly revision: string | null;
  /** GGUF quantisation such as `Q4_K_M`, to select only its weights. @default {the complete repository} */
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
 * Parses a reference of one of the `FORMS`, or the address of a page or file of a model on the public hub.
 * `:Q4_K_M` after a hub model selects a GGUF quantisation, as in vLLM; any other `hf://org/model:REVISION` is
 * KServe's spelling.
 *
 * @throws {AimError} `usage`, naming the value and what is wrong with it.
 */
export function parseModelRef(text: string): ModelRef {
  if (text.trim() === "") throw new AimError("usage", "the model's name is empty", { hint: FORMS });
  const ref = refIn(text);
  if (typeof ref !== "string") return ref;
  throw new AimError("usage", `${JSON.stringify(text)} is not a model: ${ref}`, { hint: FORMS });
}

/** The reference, or what is wrong with it in one clause. */
function refIn(text: string): ModelRef | string {
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(text)) return "it contains a control character";
  if (text.startsWith("/")) return { kind: "path", path: text.replace(/(?<=.)\/+$/, "") };
  if (text.startsWith("oci-layout:")) return parseOciLayoutRef(text.slice("oci-layout:".length), Deno.cwd());
  const [start = "", scheme = ""] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text) ?? [];
  const rest = text.slice(start.length);
  switch (scheme.toLowerCase()) {
    case "":
      return hubRef(rest, /@/);
    case "hf":
      return hubRef(rest, /[@:]/);
    case "s3":
      return s3Ref(rest);
    case "oci":
      return parseOciRef(rest);
    case "http":
    case "https":
      return pageRef(text);
    default:
      return `${scheme}:// is not a source of models`;
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

function hubRef(rest: string, separator: RegExp): HubRef | string {
  const [, before = "", word = ""] = /^(.+):([^:]+)$/.exec(rest) ?? [];
  if (isQuantisation(word)) {
    const ref = hubRef(before, /@/);
    return typeof ref === "string" ? ref : { ...ref, quantisation: word };
  }
  const at = rest.search(separator);
  return at < 0 ? hubModel(rest, null) : hubModel(rest.slice(0, at), rest.slice(at + 1));
}

function hubModel(id: string, revision: string | null): HubRef | string {
  if (id === "") return "it names no model";
  if (id.split("/").length > 2) return "a hub model has the form org/model";
  if (/\P{ASCII}/u.test(id)) return "a hub name has only letters from a to z, digits, -, _ and .";
  const fault = pathFault(id) ?? hubNameFault(id);
  if (fault !== null) return fault;
  if (revision !== null) assertRevision(revision);
  return { kind: "hub", id, revision };
}

const PAGES = ["tree", "blob", "resolve", "raw", "commit", "commits"];
const OTHER_PAGES = ["datasets", "spaces", "collections", "docs", "papers", "blog"];

/**
 * `https://huggingface.co/org/model`, with `/tree/REV`, `/blob/REV/file`, `/raw/REV/file` or
 * `/resolve/REV/file`.
 */
function pageRef(text: string): HubRef | string {
  const url = URL.parse(text);
  if (url === null) return "it is not an address";
  if (!HUB_HOSTS.includes(url.hostname)) {
    const message = `${JSON.stringify(text)} is not an address of a model on the Hugging Face Hub`;
    throw new AimError("usage", message, {
      hint: `for a hub at ${url.host}, set HF_ENDPOINT to its address and name the model as org/model`,
    });
  }
  const parts = url.pathname.split("/").filter((part) => part !== "").map(decoded);
  if (OTHER_PAGES.includes(parts[0] ?? "")) return `it is in the hub's ${parts[0]}`;
  const at = parts.findIndex((part, index) => index > 0 && PAGES.includes(part));
  if (at < 0) return hubModel(parts.join("/"), null);
  // Only revisions such as `refs/pr/1` have slashes in an address.
  const length = parts[at + 1] === "refs" ? 3 : 1;
  const revision = parts.slice(at + 1, at + 1 + length).join("/");
  return hubModel(parts.slice(0, at).join("/"), revision || null);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Checks a revision (branch, tag, commit, `refs/pr/N`) by git's rules. @throws {AimError} `usage`. */
export function assertRevision(revision: string): void {
  // deno-lint-ignore no-control-regex
  const odd = /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^[/-]|[/.]$|^$/.exec(revision);
  if (odd === null && !revision.split("/").some((part) => part.startsWith("."))) return;
  throw new AimError("usage", `revision ${JSON.stringify(revision)} is not valid in git`, {
    hint: "use a branch, a tag or a commit",
  });
}

/**
 * Amazon's rule for old buckets, which is wider than that for new ones, and Ceph's, with a tenant before the
 * name.
 */
const BUCKET = /^(?:[A-Za-z0-9_]{1,64}:)?[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;
/** The ARN of an access point, used like a bucket. */
const ACCESS_POINT = /^arn:aws[a-z-]*:s3:[a-z0-9-]*:\d{12}:accesspoint[/:][A-Za-z0-9.-]{1,63}(?=\/|$)/;

function s3Ref(rest: string): S3Ref | string {
  const trimmed = rest.replace(/\/+$/, "");
  const bucket = ACCESS_POINT.exec(trimmed)?.[0] ?? trimmed.split("/", 1)[0] ?? "";
  if (bucket === "") return "it names no bucket";
  if (!ACCESS_POINT.test(bucket) && (!BUCKET.test(bucket) || bucket.includes(".."))) {
    return `"${bucket.replace(/.*@/, "***@")}" is not a bucket's name`;
  }
  const prefix = trimmed.slice(bucket.length + 1);
  // S3 allows keys with empty parts.
  const faults = prefix.split("/").filter((part) => part !== "").map(partFault);
  return faults.find((fault) => fault !== null) ?? { kind: "s3", bucket, prefix };
}
