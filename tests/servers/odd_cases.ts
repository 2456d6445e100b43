import { createHash } from "node:crypto";
import { randomBytes } from "./content.ts";
import type { Oddities } from "./odd_s3.ts";

/** Objects of the bucket, by key. */
export const ODD_OBJECTS = {
  "m/config.json": new TextEncoder().encode("{}"),
  "m/a%2Bb+c d&e.txt": new TextEncoder().encode("odd name"),
  "m/sub/model.safetensors": randomBytes(50_000, 5),
  "m/z.txt": new TextEncoder().encode("last"),
} as const;

/** An S3 server that differs from Amazon's in one way, and aim's settings for it. */
export interface OddCase {
  readonly odd: Oddities;
  readonly env?: Record<string, string>;
  readonly bucket?: string;
  /** What Python's boto3 gets from it with default settings. */
  readonly boto3: "the same bytes" | "error" | "not tried";
  /** A request that must have been sent. */
  readonly asked?: (url: URL, headers: Headers) => boolean;
}

const key = randomBytes(32, 9);
const CUSTOMER_KEY = {
  "x-amz-server-side-encryption-customer-algorithm": "AES256",
  "x-amz-server-side-encryption-customer-key": key.toBase64(),
  "x-amz-server-side-encryption-customer-key-md5": createHash("md5").update(key).digest("base64"),
};

/** Cases by their deviation. */
export const ODD_CASES: Readonly<Record<string, OddCase>> = {
  "lists without ETags": { boto3: "the same bytes", odd: { etags: "not in lists" } },
  "no ETags anywhere": { boto3: "the same bytes", odd: { etags: "nowhere" } },
  "version 1 lists for every request": {
    boto3: "error",
    odd: { lists: "version 1" },
    asked: (url) => url.searchParams.has("marker"),
  },
  "version 2 lists refused": {
    boto3: "error",
    odd: { lists: "version 2 refused" },
    asked: (url) => url.searchParams.has("marker"),
  },
  "keys in lists not encoded": { boto3: "the same bytes", odd: { plainKeys: true } },
  "every condition answered with 412": { boto3: "the same bytes", odd: { refusesConditions: true } },
  "ranges ignored": { boto3: "the same bytes", odd: { wholeFiles: true } },
  "a tenant before the bucket": { boto3: "error", odd: {}, bucket: "tenant:models" },
  "a requester-pays bucket": {
    boto3: "not tried",
    odd: { demands: { "x-amz-request-payer": "requester" } },
    env: { AWS_REQUEST_PAYER: "requester" },
  },
  "a customer-provided encryption key": {
    boto3: "not tried",
    odd: { demands: CUSTOMER_KEY },
    env: { AIM_S3_SSE_CUSTOMER_KEY: key.toBase64() },
  },
  "the bucket in the host name, by AIM_S3_ADDRESSING_STYLE": {
    boto3: "not tried",
    odd: { virtualHost: true },
    env: { AIM_S3_ADDRESSING_STYLE: "virtual" },
    asked: (url) => url.hostname === "models.s3.test",
  },
  "the bucket in the host name, by S3_USER_VIRTUAL_BUCKET": {
    boto3: "not tried",
    odd: { virtualHost: true },
    env: { S3_USER_VIRTUAL_BUCKET: "true" },
  },
};
