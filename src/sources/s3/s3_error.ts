import { AimError } from "../../errors/aim_error.ts";
import { SourceChangedError, TransientError } from "../source.ts";
import { parseRetryAfter } from "../transport/retry_after.ts";
import { isTransientStatus } from "../transport/transport.ts";

/** What was asked of S3. */
export interface S3Question {
  readonly bucket: string;
  /** The canonical URI, for messages. */
  readonly uri: string;
  /** Host of the endpoint. */
  readonly host: string;
  /** The object that was to be read, as its path in the model; `null` for a list. */
  readonly path: string | null;
  /** Whether the request went without a signature, as there are no credentials. */
  readonly anonymous: boolean;
}

/** The parts of an answer that say what went wrong. */
export interface S3Refusal {
  readonly status: number;
  /** `NoSuchBucket` and its like; `null` where the answer had no body. */
  readonly code: string | null;
  readonly headers: Pick<Headers, "get">;
}

const KEY_HINT = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

/** What a refusal by S3, MinIO or Ceph means. No key or signature is ever in the message. */
export function s3Error(
  refusal: S3Refusal,
  question: S3Question,
  now: number = Date.now(),
): AimError | TransientError | SourceChangedError {
  const { status, headers } = refusal;
  const code = refusal.code ?? "";
  const { bucket, uri, host, path, anonymous } = question;
  const what = path === null ? uri : `${path} of ${uri}`;
  const unauthorized = (message: string, hint: string) => new AimError("unauthorized", message, { hint });

  if (code === "SlowDown" || code === "RequestTimeout" || isTransientStatus(status)) {
    const retryAfter = parseRetryAfter(headers.get("retry-after"), now);
    return new TransientError(`${host} answers ${code || `with status ${status}`} for ${what}`, {
      retryAfter,
    });
  }
  switch (code) {
    case "NoSuchBucket":
      return new AimError("not-found", `${host} has no bucket "${bucket}"`, {
        hint: "check the name, and AWS_ENDPOINT_URL if it is not on AWS",
      });
    case "InvalidBucketName":
      return new AimError("usage", `${host} says that "${bucket}" is not a bucket's name`, {
        hint: "check the name",
      });
    case "InvalidAccessKeyId":
      return unauthorized(`${host} does not know the access key (bucket "${bucket}")`, KEY_HINT);
    case "SignatureDoesNotMatch":
      return unauthorized(
        `${host} rejects the signature (bucket "${bucket}")`,
        "check AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION",
      );
    case "ExpiredToken":
    case "ExpiredTokenException":
    case "TokenRefreshRequired":
      return unauthorized(`${host} says that the session token has expired`, "get new credentials");
    case "InvalidToken":
      return unauthorized(`${host} rejects the session token`, "check AWS_SESSION_TOKEN");
    case "RequestTimeTooSkewed":
      return path === null
        ? unauthorized(`${host} refuses requests by this machine's clock`, "set the clock")
        : new TransientError(`${host} refuses requests by this machine's clock (${what})`);
    case "InvalidObjectState":
      return new AimError("not-found", `${what} is archived and cannot be read`, {
        hint: "restore it first",
      });
    case "AuthorizationHeaderMalformed":
      return unauthorized(`${host} expects another region for bucket "${bucket}"`, "set AWS_DEFAULT_REGION");
    case "PermanentRedirect":
    case "TemporaryRedirect":
      return new AimError("network", `${host} sends requests for bucket "${bucket}" elsewhere`, {
        hint: "set AWS_DEFAULT_REGION to the bucket's region",
      });
  }
  if (path !== null) {
    if (status === 412) return new SourceChangedError(path, `${path} was replaced`);
    if (status === 404) return new SourceChangedError(path, `${path} is no longer there`);
    if (status === 416) return new SourceChangedError(path, `${path} is shorter than it was`);
  }
  if (status === 401 || status === 403) {
    return anonymous
      ? unauthorized(
        `${host} denies access to ${what}, and no AWS credentials were found`,
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role",
      )
      : unauthorized(
        `${host} denies access to ${what}`,
        `let the credentials ${path === null ? "list" : "read"} the bucket (s3:${
          path === null ? "ListBucket" : "GetObject"
        })`,
      );
  }
  if (status === 404) return new AimError("not-found", `${host} has no ${what}`, { hint: "check the name" });
  const said = code === "" ? `with status ${status}` : `${code} (status ${status})`;
  return new AimError("network", `${host} answers ${said} for ${what}`, { hint: "check AWS_ENDPOINT_URL" });
}

/** The region that a refusal names as the bucket's own. */
export function namedRegion(refusal: S3Refusal, body: string): string | null {
  const header = refusal.headers.get("x-amz-bucket-region");
  const region = header ?? /<Region>([^<]+)<\/Region>/.exec(body)?.[1] ?? null;
  return region !== null && /^[a-z0-9-]+$/.test(region) ? region : null;
}
