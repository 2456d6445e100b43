import { AimError } from "../../errors/aim_error.ts";
import type { ErrorKind } from "../../errors/exit_codes.ts";
import { SourceChangedError, TransientError } from "../source.ts";
import { isTransientStatus, passingFault } from "../transport/passing_fault.ts";
import { readStart } from "../transport/read_bounded.ts";
import type { BucketAccess } from "./bucket_access.ts";
import type { S3Settings } from "./s3_settings.ts";

export interface S3Question {
  readonly bucket: string;
  readonly uri: string;
  /** The object; empty for a list. */
  readonly key: string;
  /** The path in the model of the object whose bytes are requested; `null` for metadata and lists. */
  readonly path: string | null;
  readonly access: Pick<BucketAccess, "base" | "anonymous">;
  readonly settings: Pick<S3Settings, "endpoint" | "credentials">;
}

export type S3Refusal = Awaited<ReturnType<typeof readRefusal>>;

/** Reads what a response tells about an error. A response to `HEAD` has no body, and therefore no code. */
export async function readRefusal(response: Response) {
  const body = await readStart(response);
  return {
    status: response.status,
    code: /<Code>([A-Za-z0-9.]+)<\/Code>/.exec(body)?.[1] ?? null,
    headers: response.headers,
    region: /<Region>([^<]+)<\/Region>/.exec(body)?.[1],
    expectsHttps: response.status === 400 && /\bHTTPS\b/.test(body),
  };
}

/**
 * The message follows the host; `{bucket}`, `{uri}` and `{what}` (the file, or the URI) are replaced. `words`
 * (by default the code or status) follow in brackets: people and AIM Engine's operator search for them.
 */
type Meaning = readonly [kind: ErrorKind, message: string, hint: string, words?: string];

const DENIED = "unauthorized";
const REGION_HINT = "set AWS_DEFAULT_REGION to the bucket's region";
const SIGNATURE_HINT = "check AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION";
const EXPIRED: Meaning = [
  DENIED,
  "rejects the expired session token for {uri}: unauthorized",
  "get new credentials",
];
const ELSEWHERE: Meaning = ["network", 'redirects requests for bucket "{bucket}"', REGION_HINT];

const MEANINGS: Readonly<Record<string, Meaning>> = {
  NoSuchBucket: ["not-found", 'has no bucket "{bucket}"', "check the name and AWS_ENDPOINT_URL"],
  NoSuchKey: ["not-found", "has no {uri}", "check the name"],
  InvalidBucketName: ["usage", 'rejects the bucket name "{bucket}"', "check the name"],
  InvalidAccessKeyId: [DENIED, "does not know the access key used for {uri}", "check AWS_ACCESS_KEY_ID"],
  SignatureDoesNotMatch: [DENIED, "rejects the signature of requests for {uri}", SIGNATURE_HINT],
  ExpiredToken: EXPIRED,
  ExpiredTokenException: EXPIRED,
  TokenRefreshRequired: EXPIRED,
  InvalidToken: [DENIED, "rejects the session token for {uri}: unauthorized", "check AWS_SESSION_TOKEN"],
  RequestTimeTooSkewed: [DENIED, "refuses requests because of this machine's clock", "set the clock"],
  InvalidObjectState: ["not-found", "cannot return {what}, which is archived", "restore it first"],
  AuthorizationHeaderMalformed: [DENIED, 'expects another region for bucket "{bucket}"', REGION_HINT],
  PermanentRedirect: ELSEWHERE,
  TemporaryRedirect: ELSEWHERE,
};

/** The error for a refusal by S3, MinIO or Ceph. Messages never contain a key or a signature. */
export function s3Error(refusal: S3Refusal, question: S3Question): Error {
  const { status } = refusal;
  const code = refusal.code ?? "";
  const { bucket, uri, key, path, access: { base: { host } } } = question;
  const what = path === null ? uri : `${path} of ${uri}`;

  if (code === "SlowDown" || code === "RequestTimeout" || isTransientStatus(status)) {
    return passingFault(refusal, host, path, code);
  }
  if (path !== null && code === "RequestTimeTooSkewed") {
    return new TransientError(`${host} refuses requests because of this machine's clock (${what})`);
  }
  if (path !== null && code !== "NoSuchBucket") {
    if (status === 412) return new SourceChangedError(`${path} was replaced`);
    if (status === 404) return new SourceChangedError(`${path} was removed`);
    if (status === 416) return new SourceChangedError(`${path} is shorter than it was`);
  }
  const [kind, text, hint, words = code || status] = MEANINGS[code] ?? meaningOf(refusal, question);
  const values: Readonly<Record<string, string>> = { bucket, uri, what };
  const message = text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
  const object = kind === DENIED && path === null && key !== "" ? `, key ${JSON.stringify(key)}` : "";
  return new AimError(kind, `${host} ${message} (${words})${object}`, {
    hint: hint + pathHint(question.settings),
  });
}

/** What a status means if the code is not in the table. */
function meaningOf({ status, code, expectsHttps }: S3Refusal, question: S3Question): Meaning {
  const isFile = question.path !== null;
  if (status === 401 || status === 403) {
    const denied = "denies access to {what}";
    const keys = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    if (question.access.anonymous) {
      const hint = question.settings.credentials.kind === "anonymous"
        ? `requests are not signed: ${keys}, and unset AIM_S3_ANONYMOUS`
        : `${keys}, or give the machine a role`;
      return [DENIED, denied, hint, "Unable to locate credentials"];
    }
    const action = isFile ? "read the bucket (s3:GetObject)" : "list the bucket (s3:ListBucket)";
    const words = code ?? (status === 401 ? "401 Unauthorized" : "403");
    return [DENIED, denied, `allow the credentials to ${action}`, words];
  }
  if (status === 404) return ["not-found", "has no {what}", "check the name"];
  if (expectsHttps) {
    return ["network", "expects https, but the address has http", "use https:// in the address"];
  }
  if (code === "InvalidRequest" && status === 400 && isFile) {
    const hint = "set AIM_S3_SSE_CUSTOMER_KEY if it is encrypted with your own key";
    return ["network", "refuses to send {what}", hint];
  }
  return ["network", `returned status ${status} for {what}`, "check AWS_ENDPOINT_URL"];
}

/** A path in the endpoint is usually a mistake: it repeats the bucket. */
function pathHint({ endpoint }: S3Question["settings"]): string {
  const path = endpoint === null ? "" : new URL(endpoint).pathname.replace(/\/+$/, "");
  return path === "" ? "" : `; remove the path ${path} from the endpoint if it is the bucket`;
}
