export {
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
export { getEndpointFromInstructions } from "@smithy/core/endpoints";
