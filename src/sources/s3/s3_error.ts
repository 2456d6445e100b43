import { AimError } from "../../errors/aim_error.ts";
import type { ErrorKind } from "../../errors/exit_codes.ts";
import { SourceChangedError, TransientError } from "../source.ts";
import { askedWait } from "../transport/asked_wait.ts";
import { isTransientStatus } from "../transport/transport.ts";

/** A request to S3. */
export interface S3Question {
  readonly bucket: string;
  /** The canonical URI, for messages. */
  readonly uri: string;
  /** Host of the endpoint. */
  readonly host: string;
  /** The path in the model of the object to read; `null` for a list. */
  readonly path: string | null;
  /** Requests are not signed: there are no credentials, or the settings say so. */
  readonly anonymous: boolean;
  /** The settings say that requests are not signed. @default {false} */
  readonly unsigned?: boolean;
  /** Path in the endpoint's address, before the bucket. @default {none} */
  readonly endpointPath?: string;
}

/** The parts of an answer that say what went wrong. */
export interface S3Refusal {
  readonly status: number;
  /** `NoSuchBucket` for example; `null` if the answer has none, as that to `HEAD`. */
  readonly code: string | null;
  readonly headers: Pick<Headers, "get">;
  /** The region that the body names. */
  readonly region?: string | undefined;
}

interface Meaning {
  readonly kind: ErrorKind;
  readonly says: (question: S3Question) => string;
  readonly hint: string;
}

const KEY_HINT = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
const REGION_HINT = "set AWS_DEFAULT_REGION to the bucket's region";

/** What S3's codes mean. Each message ends with the code, which people and AIM Engine's operator search for. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  NoSuchBucket: {
    kind: "not-found",
    says: ({ host, bucket }) => `${host} has no bucket "${bucket}"`,
    hint: "check the name, and AWS_ENDPOINT_URL if it is not on AWS",
  },
  NoSuchKey: {
    kind: "not-found",
    says: ({ host, uri }) => `${host} has no ${uri}`,
    hint: "check the name",
  },
  InvalidBucketName: {
    kind: "usage",
    says: ({ host, bucket }) => `${host} says that "${bucket}" is not a bucket's name`,
    hint: "check the name",
  },
  InvalidAccessKeyId: {
    kind: "unauthorized",
    says: ({ host, uri }) => `${host} does not know the access key used for ${uri}`,
    hint: KEY_HINT,
  },
  SignatureDoesNotMatch: {
    kind: "unauthorized",
    says: ({ host, uri }) => `${host} rejects the signature of requests for ${uri}`,
    hint: "check AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION",
  },
  ExpiredToken: expired(),
  ExpiredTokenException: expired(),
  TokenRefreshRequired: expired(),
  InvalidToken: {
    kind: "unauthorized",
    says: ({ host, uri }) => `${host} rejects the session token for ${uri}: unauthorized`,
    hint: "check AWS_SESSION_TOKEN",
  },
  RequestTimeTooSkewed: {
    kind: "unauthorized",
    says: ({ host }) => `${host} refuses requests because of this machine's clock`,
    hint: "set the clock",
  },
  InvalidObjectState: {
    kind: "not-found",
    says: (question) => `${whatOf(question)} is archived and cannot be read`,
    hint: "restore it first",
  },
  AuthorizationHeaderMalformed: {
    kind: "unauthorized",
    says: ({ host, bucket }) => `${host} expects another region for bucket "${bucket}"`,
    hint: REGION_HINT,
  },
  PermanentRedirect: elsewhere(),
  TemporaryRedirect: elsewhere(),
};

/** What a refusal by S3, MinIO or Ceph means. Messages never contain a key or a signature. */
export function s3Error(
  refusal: S3Refusal,
  question: S3Question,
): AimError | TransientError | SourceChangedError {
  const { status, headers } = refusal;
  const code = refusal.code ?? "";
  const { host, path } = question;
  const what = whatOf(question);
  const name = code === "" ? `${status}` : code;

  if (code === "SlowDown" || code === "RequestTimeout" || isTransientStatus(status)) {
    const said = code === "" ? `with status ${status}` : code;
    return new TransientError(`${host} answers ${said} for ${what}`, { retryAfter: askedWait(headers) });
  }
  if (path !== null && code === "RequestTimeTooSkewed") {
    return new TransientError(`${host} refuses requests because of this machine's clock (${what})`);
  }
  if (path !== null && code !== "NoSuchBucket") {
    if (status === 412) return new SourceChangedError(path, `${path} was replaced`);
    if (status === 404) return new SourceChangedError(path, `${path} was removed`);
    if (status === 416) return new SourceChangedError(path, `${path} is shorter than it was`);
  }
  const meaning = MEANINGS[code];
  const fail = (kind: ErrorKind, message: string, hint: string) =>
    new AimError(kind, `${message} (${name})`, { hint: withPath(hint, question) });
  if (meaning !== undefined) return fail(meaning.kind, meaning.says(question), meaning.hint);
  if (status === 401 || status === 403) return denied(refusal, question);
  if (status === 404) return fail("not-found", `${host} has no ${what}`, "check the name");
  if (code === "InvalidRequest" && status === 400 && path !== null) {
    return fail(
      "network",
      `${host} refuses to send ${what}`,
      "set AIM_S3_SSE_CUSTOMER_KEY if it is encrypted with your own key",
    );
  }
  return fail("network", `${host} answers with status ${status} for ${what}`, "check AWS_ENDPOINT_URL");
}

function denied({ status, code }: S3Refusal, question: S3Question): AimError {
  const { host, path, anonymous } = question;
  const what = whatOf(question);
  if (anonymous) {
    return new AimError("unauthorized", `${host} denies access to ${what} (Unable to locate credentials)`, {
      hint: question.unsigned
        ? "requests are not signed: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and no AIM_S3_ANONYMOUS"
        : "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role",
    });
  }
  const name = code ?? (status === 401 ? "401 Unauthorized" : `${status}`);
  const action = path === null ? "list the bucket (s3:ListBucket)" : "read the bucket (s3:GetObject)";
  return new AimError("unauthorized", `${host} denies access to ${what} (${name})`, {
    hint: withPath(`let the credentials ${action}`, question),
  });
}

function whatOf({ uri, path }: S3Question): string {
  return path === null ? uri : `${path} of ${uri}`;
}

/** A path in the endpoint is usually a mistake: the bucket a second time. */
function withPath(hint: string, { endpointPath = "" }: S3Question): string {
  return endpointPath === ""
    ? hint
    : `${hint}; the endpoint has the path ${endpointPath}, leave it out if it is the bucket`;
}

function expired(): Meaning {
  return {
    kind: "unauthorized",
    says: ({ host, uri }) => `${host} says that the session token for ${uri} has expired: unauthorized`,
    hint: "get new credentials",
  };
}

function elsewhere(): Meaning {
  return {
    kind: "network",
    says: ({ host, bucket }) => `${host} sends requests for bucket "${bucket}" elsewhere`,
    hint: REGION_HINT,
  };
}
