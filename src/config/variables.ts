import { nearest } from "./nearest.ts";
import { type Setting, SETTINGS } from "./settings.ts";

/** Variables that are not settings: names, and what they do. */
export const ALSO_HONOURED: Readonly<Record<string, string>> = {
  "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN":
    "S3 credentials; else the AWS default chain (shared config, web identity, container, instance)",
  "AIM_S3_AUTH_MODE, AIM_S3_ANONYMOUS, awsAnonymousCredential":
    "chain, static or anonymous, instead of what the variables suggest; true: requests are not signed",
  "AWS_*_FILE, AIM_S3_*_FILE":
    "files with the value of the variable without _FILE, such as AWS_ACCESS_KEY_ID_FILE",
  "AWS_PROFILE, AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE":
    "which shared configuration the AWS default chain reads",
  "AWS_REGION, AWS_DEFAULT_REGION": "S3 region (default us-east-1)",
  "AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, S3_ENDPOINT":
    "S3 endpoint other than AWS, such as MinIO or Ceph; without a scheme https, or http with S3_NO_SSL or S3_USE_HTTPS=0",
  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS":
    "true: endpoints are ignored, except AWS_ENDPOINT_URL together with AIM_S3_AUTH_MODE",
  "AIM_S3_ADDRESSING_STYLE, S3_USER_VIRTUAL_BUCKET, S3_USE_ACCELERATE":
    "path, virtual or auto (default: path at an endpoint other than AWS); KServe's names for it",
  "AIM_S3_INSECURE_SKIP_VERIFY, S3_VERIFY_SSL":
    "true, or false for the second: the S3 endpoint's certificate is not checked",
  "AIM_S3_SIGNATURE_VERSION": "s3v4, or unsigned",
  "AIM_S3_SSE_CUSTOMER_KEY": "key of objects encrypted with SSE-C: 32 bytes in base64",
  "AWS_REQUEST_PAYER": "requester: reads of requester-pays buckets are paid by this account",
  "REGISTRY_AUTH_FILE, DOCKER_CONFIG, XDG_RUNTIME_DIR":
    "where logins for OCI registries are, as registry clients keep them",
  "AIM_OCI_INSECURE":
    "OCI registries that are reached over plain HTTP: hosts separated by commas, or true for all",
  "AIM_OCI_MIRRORS": "registry=mirror, separated by commas: mirrors are tried first, in this order",
  "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY": "proxy for the hub and S3, and hosts reached without one",
  "SSL_CERT_FILE, NODE_EXTRA_CA_CERTS, AWS_CA_BUNDLE, AIM_S3_CA_BUNDLE, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE":
    "PEM file with certificate authorities to trust in addition to the usual ones",
  "STORAGE_CONFIG, STORAGE_OVERRIDE_CONFIG":
    "KServe's storage spec: a JSON object with S3 endpoint and credentials",
  "AWS_CA_BUNDLE_CONFIGMAP, CA_BUNDLE_CONFIGMAP_NAME, CA_BUNDLE_VOLUME_MOUNT_POINT":
    "KServe's: cabundle.crt in the mounted ConfigMap is also trusted",
  "AIM_KEEP_METADATA_ON_FAILURE": "accepted; what a resumed download needs is always kept",
  "AIM_HF_INCLUDE, AIM_HF_EXCLUDE, STORAGE_ALLOW_PATTERNS, STORAGE_IGNORE_PATTERNS":
    "globs of what is downloaded if no flag is given, separated by commas; KServe's names for it",
  "ROCR_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES, CUDA_VISIBLE_DEVICES":
    "which GPUs are used: the first by index or GPU-<uuid>, the others by index within it",
  "NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, CLICOLOR, TERM":
    "colour never, always, always, only if forced (for 0); dumb: neither colour nor a live bar",
  "AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI":
    "where the AWS default chain finds a pod's or a container's identity",
  "S3_USE_HTTPS, S3_NO_SSL": "scheme of an S3 endpoint without one",
  "ARTIFACT_NAME, ARTIFACT_NAMESPACE, AIM_SERVICE_ACCOUNT_DIR, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT, KUBERNETES_SERVICE_PORT_HTTPS":
    "the AIMArtifact whose status aim fetch updates, and the cluster's API",
  "PATH, PYTHONHOME, PYTHONPATH, PYTHONUSERBASE, PYTHONNOUSERSITE, PYTHONSAFEPATH":
    "which Python starts the engine, and where its packages are",
  "AIM_BASE_IMAGE_REF, AIM_UPSTREAM_IMAGE_REF": "reference of the image; compiled code is cached per image",
  "VLLM_CACHE_ROOT, TRITON_CACHE_DIR, TORCHINDUCTOR_CACHE_DIR, AITER_JIT_DIR":
    "where the engine keeps compiled code (default: below AIM_CACHE_PATH/.aim/compiled)",
  "VLLM_LOGGING_LEVEL": "the engine's log level; default AIM_LOG_LEVEL_ROOT",
  "VLLM_API_KEY": "key with which adapters are loaded into the running engine",
  "HOME, XDG_CACHE_HOME, TMPDIR": "where ~, the token of hf auth login and temporary files are",
  "AIM_RUNTIME_DIR": "where the single file unpacks itself (default: TMPDIR)",
};

/** Every variable that aim or one of its libraries reads; those with `*` are patterns. */
export const KNOWN_VARIABLES: ReadonlySet<string> = new Set([
  ...Object.values<Setting>(SETTINGS).flatMap((setting) => setting.env),
  ...Object.keys(ALSO_HONOURED).flatMap((names) => names.split(", ")),
]);

// Kubernetes sets such variables for a service called "aim" or "aim-llama".
const SERVICE_LINK = /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_|$)|$)/;

/** A line for each `AIM_` variable that looks like a misspelling of one that is read. */
export function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const read = [...KNOWN_VARIABLES].filter((name) => name.startsWith("AIM_"));
  const isRead = new RegExp(`^(?:${read.join("|").replaceAll("*", "\\w+")})$`);
  return Object.keys(env).filter((name) =>
    /^AIM_/.test(name) && !isRead.test(name) && !SERVICE_LINK.test(name)
  )
    .flatMap((name) => {
      const near = nearest(name, read);
      return near === null ? [] : [`${name} is not a variable that aim reads; did you mean ${near}?`];
    });
}
