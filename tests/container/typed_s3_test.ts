// The environment of AIM Engine's download and size jobs for a typed S3 connection.
import { assertEquals } from "@std/assert";
import { aim } from "../cli/aim.ts";
import { makeCertificates } from "../servers/certificates.ts";
import { randomBytes } from "../servers/content.ts";
import { startS3 } from "../servers/s3_server.ts";

const WEIGHTS = randomBytes(3_000_000, 6);

const certificates = await makeCertificates();
Deno.test({
  name: `AIM Engine's typed S3 connection: keys and CA from files, all other settings empty${
    "skip" in certificates ? ` (skipped: ${certificates.skip})` : ""
  }`,
  ignore: "skip" in certificates,
  fn: async () => {
    if ("skip" in certificates) return;
    await using _ = certificates;
    await using s3 = await startS3({
      buckets: { models: { "m/config.json": "{}", "m/model.safetensors": WEIGHTS, "m/original/x.pth": "x" } },
      tls: certificates.tls,
    });
    const directory = await Deno.makeTempDir();
    try {
      // Kubernetes mounts secrets as symlinks.
      await Deno.mkdir(`${directory}/..data`);
      for (
        const [name, value] of [["access-key-id", s3.accessKey], ["secret-access-key", s3.secretKey]] as const
      ) {
        await Deno.writeTextFile(`${directory}/..data/${name}`, `${value}\n`);
        await Deno.symlink(`..data/${name}`, `${directory}/${name}`);
      }
      const env = {
        TARGET_DIR: `${directory}/models`,
        MOUNT_PATH: `${directory}/models`,
        HF_HOME: `${directory}/hf`,
        DU_TIMEOUT: "300",
        PROGRESS_INTERVAL: "5",
        STALL_TIMEOUT: "120",
        AIM_KEEP_METADATA_ON_FAILURE: "true",
        AIM_HF_EXCLUDE: "*/*",
        AIM_S3_AUTH_MODE: "static",
        AIM_S3_ADDRESSING_STYLE: "path",
        AIM_S3_CA_BUNDLE: certificates.caPath,
        AIM_S3_MAX_WORKERS: "8",
        AIM_S3_MAX_CONCURRENCY: "10",
        AIM_S3_MULTIPART_CHUNKSIZE_MB: "8",
        AIM_S3_LOG_LEVEL: "INFO",
        AWS_ACCESS_KEY_ID_FILE: `${directory}/access-key-id`,
        AWS_SECRET_ACCESS_KEY_FILE: `${directory}/secret-access-key`,
        AWS_ENDPOINT_URL: new URL(s3.url).host,
        AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true",
        AWS_REGION: "us-east-1",
        // AIM Engine sets these to empty.
        AWS_ENDPOINT_URL_S3: "",
        AWS_ACCESS_KEY_ID: "",
        AWS_SECRET_ACCESS_KEY: "",
        AWS_SESSION_TOKEN: "",
        AWS_PROFILE: "",
        S3_NO_SSL: "",
        S3_USE_HTTPS: "",
      };
      const size = await aim(["size", "s3://models/m"], { env });
      assertEquals(size.code, 0, size.stderr);
      assertEquals(JSON.parse(size.stdout), { url: "s3://models/m", sizeBytes: 3_000_002 });
      const fetched = await aim(["fetch", "s3://models/m"], { env });
      assertEquals(fetched.code, 0, fetched.stderr);
      assertEquals(await Deno.readFile(`${directory}/models/model.safetensors`), WEIGHTS);
      // An empty list does not filter.
      const all = await aim(["size", "s3://models/m"], { env: { ...env, AIM_HF_EXCLUDE: "" } });
      assertEquals(JSON.parse(all.stdout).sizeBytes, 3_000_003);
      const refused = await aim(["fetch", "s3://models/m"], { env: { ...env, PROGRESS_INTERVAL: "often" } });
      assertEquals(refused.code, 2, refused.stderr);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
