import { createHash, createHmac } from "node:crypto";

/** Values that a signature is checked with. */
export interface SigningKeys {
  readonly accessKey: string;
  readonly secretKey: string;
  /** The server's time, ms since 1970. */
  readonly now: number;
}

/** S3's error code and message for a refused request. */
export interface SigningFault {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/**
 * Checks AWS Signature Version 4, in the `Authorization` header or in the query (presigned).
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 *
 * @returns null if the signature is valid, or the fault.
 */
export function checkSigV4(
  request: { method: string; target: string; headers: Headers },
  keys: SigningKeys,
): SigningFault | null {
  const [path = "/", query = ""] = request.target.split(/\?(.*)/s);
  const pairs = query === "" ? [] : query.split("&").map((pair) => {
    const [name = "", value = ""] = pair.split(/=(.*)/s);
    return [decode(name), decode(value)] as const;
  });
  const params = new Map(pairs);
  const header = request.headers.get("authorization");
  if (header === null && !params.has("X-Amz-Signature")) {
    return { status: 403, code: "AccessDenied", message: "Access Denied" };
  }
  const fields = header === null
    ? {
      Credential: params.get("X-Amz-Credential"),
      SignedHeaders: params.get("X-Amz-SignedHeaders"),
      Signature: params.get("X-Amz-Signature"),
    }
    : Object.fromEntries(
      [...header.matchAll(/(\w+)=([^,\s]+)/g)].map(([, name, value]) => [name ?? "", value ?? ""]),
    );
  const [accessKey, date = "", region = "", service = ""] = (fields.Credential ?? "").split("/");
  if (accessKey !== keys.accessKey) {
    const message = "The AWS Access Key Id you provided does not exist in our records.";
    return { status: 403, code: "InvalidAccessKeyId", message };
  }
  const time = (header === null ? params.get("X-Amz-Date") : request.headers.get("x-amz-date")) ?? "";
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  const late = keys.now - at;
  if (header === null) {
    if (!(late <= Number(params.get("X-Amz-Expires")) * 1000)) {
      return { status: 403, code: "AccessDenied", message: "Request has expired" };
    }
  } else if (!(Math.abs(late) <= 15 * 60_000)) {
    const message = "The difference between the request time and the current time is too large.";
    return { status: 403, code: "RequestTimeTooSkewed", message };
  }
  const signed = (fields.SignedHeaders ?? "").split(";");
  const canonical = [
    request.method,
    path.split("/").map((part) => encode(decode(part))).join("/"),
    pairs.filter(([name]) => name !== "X-Amz-Signature").map(([n, v]) => [encode(n), encode(v)] as const)
      .sort(([a, x], [b, y]) => a < b || (a === b && x < y) ? -1 : 1).map((pair) => pair.join("=")).join("&"),
    ...signed.map((name) => `${name}:${(request.headers.get(name) ?? "").trim().replace(/ +/g, " ")}`),
    "",
    signed.join(";"),
    header === null ? "UNSIGNED-PAYLOAD" : request.headers.get("x-amz-content-sha256") ?? "",
  ].join("\n");
  const scope = `${date}/${region}/${service}/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", time, scope, createHash("sha256").update(canonical).digest("hex")].join(
    "\n",
  );
  let key: string | Uint8Array = `AWS4${keys.secretKey}`;
  for (const part of [date, region, service, "aws4_request"]) {
    key = createHmac("sha256", key).update(part).digest();
  }
  if (createHmac("sha256", key).update(text).digest("hex") === fields.Signature) return null;
  const message = "The request signature we calculated does not match the signature you provided.";
  return { status: 403, code: "SignatureDoesNotMatch", message };
}

function decode(text: string): string {
  return decodeURIComponent(text.replaceAll("+", "%20"));
}

/** Percent-encodes all but RFC 3986's unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
