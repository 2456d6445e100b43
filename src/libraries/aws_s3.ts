export { parseXML } from "@aws-sdk/xml-builder";
export { HeadBucketCommand, S3Client } from "@aws-sdk/client-s3";
export { getEndpointFromInstructions } from "@smithy/core/endpoints";
export { buildQueryString, escapeUriPath } from "@smithy/core/protocols";
export { SignatureV4 } from "@smithy/signature-v4";
