import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { type ModelKey, MODELS, PART_SIZE } from "./models.ts";
import type { Subject } from "./server_row.ts";

/** An S3 endpoint with credentials that may create buckets. */
export interface S3Endpoint extends AsyncDisposable {
  readonly url: string;
  /** @default {"AK"} */
  readonly accessKey?: string;
  /** @default {"SK"} */
  readonly secretKey?: string;
}

/**
 * Uploads all models to a new bucket of an S3 endpoint. The endpoint is closed together with the subject.
 */
export async function s3Subject(
  endpoint: S3Endpoint | { readonly skip: string },
): Promise<Subject | { readonly skip: string }> {
  if ("skip" in endpoint) return endpoint;
  const { url, accessKey = "AK", secretKey = "SK" } = endpoint;
  const bucket = `aim-${crypto.randomUUID()}`;
  const client = new S3Client({
    endpoint: url,
    forcePathStyle: true,
    region: "us-east-1",
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  const close = async () => {
    client.destroy();
    await endpoint[Symbol.asyncDispose]();
  };
  const env = {
    AWS_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secretKey,
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const entries = Object.entries(MODELS).flatMap(([model, files]) =>
      Object.entries(files).map(([path, bytes]) => ({ key: `${model}/${path}`, bytes }))
    ).values();
    const worker = async () => {
      for (const { key, bytes } of entries) await upload(client, bucket, key, bytes);
    };
    await Promise.all(Array.from({ length: 8 }, worker));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    env,
    reference: (model: ModelKey) => `s3://${bucket}/${model}`,
    missing: `s3://${bucket}/missing`,
    unknownCredentials: { ...env, AWS_ACCESS_KEY_ID: "STRANGER" },
    underOtherEtag: async () => {
      const asked = { Bucket: bucket, Key: "weights/model.safetensors", IfMatch: '"another"' };
      try {
        const { $metadata, Body } = await client.send(new GetObjectCommand(asked));
        await Body?.transformToByteArray();
        return $metadata.httpStatusCode ?? 0;
      } catch (error) {
        if (!(error instanceof S3ServiceException)) throw error;
        return error.$metadata.httpStatusCode ?? 0;
      }
    },
    replace: (path, bytes) => upload(client, bucket, `changing/${path}`, bytes),
    [Symbol.asyncDispose]: close,
  };
}

async function upload(client: S3Client, Bucket: string, Key: string, bytes: Uint8Array): Promise<void> {
  if (bytes.length <= PART_SIZE) {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: bytes }));
    return;
  }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const Parts: { PartNumber: number; ETag: string }[] = [];
  for (let at = 0; at < bytes.length; at += PART_SIZE) {
    const PartNumber = Parts.length + 1;
    const Body = bytes.subarray(at, at + PART_SIZE);
    const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }));
    Parts.push({ PartNumber, ETag: ETag ?? "" });
  }
  await client.send(
    new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
  );
}
