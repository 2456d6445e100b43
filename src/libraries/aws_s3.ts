export { parseXML } from "@aws-sdk/xml-builder";
export { HeadBucketCommand, S3Client } from "@aws-sdk/client-s3";
export { getEndpointFromInstructions } from "@smithy/core/endpoints";
