import { safetensorsBytes } from "../servers/content.ts";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { artifactReporter } from "../../src/download/artifact_reporter.ts";
import { ArtifactTally } from "../../src/download/artifact_status.ts";
import { aim } from "../cli/aim.ts";
import { neededCertificates, NEEDS_OPENSSL, OPENSSL_MISSING } from "../servers/certificates.ts";
import { startHub } from "../servers/hub_server.ts";
import { startKubernetesApi } from "../servers/kubernetes_api.ts";
import { startS3 } from "../servers/s3_server.ts";

const PATH = "/apis/aim.eai.amd.com/v1alpha1/namespaces/models/aimartifacts/llama/status";
const FILES = {
  "config.json": '{"model_type":"llama"}\n',
  "model.safetensors": safetensorsBytes(3_000_000),
  "original/params.json": "{}\n",
};
const BYTES = 23 + 3_000_000 + 3;

Deno.test("progress counts present, received and discarded bytes, and reaches 100 % only at the end", () => {
  const tally = new ArtifactTally(["XET", "HTTP"], 500);
  const seen = () => {
    const { progress, download } = tally.status();
    return [progress.displayPercentage, progress.downloadedBytes, progress.totalBytes, download.message];
  };
  assertEquals(seen(), ["0 %", 0, 500, "Downloading with XET"]);
  tally.listed(1000);
  tally.add({ type: "start", files: 2, bytes: 800, bytesPresent: 50 });
  assertEquals(seen(), ["25 %", 250, 1000, "Downloading with XET"]);
  tally.add({ type: "bytes", path: "a", bytes: 500 });
  assertEquals(seen(), ["75 %", 750, 1000, "Downloading with XET"]);
  tally.goOnBy("HTTP");
  tally.add({ type: "bytes", path: "a", bytes: -100 });
  assertEquals(seen(), ["65 %", 650, 1000, "Downloading with HTTP"]);
  assertEquals(tally.status().download, {
    protocol: "HTTP",
    attempt: 2,
    totalAttempts: 2,
    protocolSequence: "XET,HTTP",
    message: "Downloading with HTTP",
  });
  tally.add({ type: "bytes", path: "a", bytes: 350 });
  assertEquals(seen(), ["99 %", 1000, 1000, "Verifying"]);
  tally.end(true, "Complete");
  assertEquals(seen(), ["100 %", 1000, 1000, "Complete"]);
});

Deno.test("a failed download stays below 100 % and reports the reason", () => {
  const tally = new ArtifactTally(["HTTP"], 0);
  assertEquals(tally.status().progress.percentage, 0);
  tally.listed(10);
  tally.add({ type: "start", files: 1, bytes: 10, bytesPresent: 0 });
  tally.add({ type: "bytes", path: "a", bytes: 10 });
  tally.end(false, "a is broken");
  assertEquals(tally.status().progress.displayPercentage, "99 %");
  assertEquals(tally.status().download.message, "a is broken");
});

Deno.test("only an artifact's pod with a valid service account reports", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const env = { ARTIFACT_NAME: "a", ARTIFACT_NAMESPACE: "n", KUBERNETES_SERVICE_HOST: "127.0.0.1" };
    const open = (more: Record<string, string | undefined>, serviceAccount: string) =>
      artifactReporter({ ...env, ...more, AIM_SERVICE_ACCOUNT_DIR: serviceAccount }, { protocols: ["HTTP"] });
    assertEquals(await open({}, `${directory}/none`), null);
    await Deno.writeTextFile(`${directory}/token`, "t");
    await Deno.writeTextFile(`${directory}/ca.crt`, "no certificate");
    assertEquals(await open({}, directory), null);
    assertEquals(await open({ ARTIFACT_NAME: "" }, directory), null);
    assertEquals(await open({ ARTIFACT_NAMESPACE: undefined }, directory), null);
    assertEquals(await open({ KUBERNETES_SERVICE_HOST: undefined }, directory), null);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test(
  `reports are merge patches of the status, at most one per interval, with the current token${OPENSSL_MISSING}`,
  NEEDS_OPENSSL,
  async () => {
    const certificates = await neededCertificates();
    await using _ = certificates;
    await using api = await startKubernetesApi(certificates);
    const reporter = await artifactReporter(api.env, { protocols: ["XET", "HTTP"], interval: 100 });
    assert(reporter !== null);
    reporter.tally.listed(1000);
    reporter.tally.add({ type: "start", files: 1, bytes: 1000, bytesPresent: 0 });
    for (let i = 0; i < 20; i++) {
      reporter.tally.add({ type: "bytes", path: "a", bytes: 10 });
      await sleep(20);
      if (i === 10) await Deno.writeTextFile(`${api.serviceAccount}/token`, "token-two\n");
    }
    const before = api.patches.length;
    // At least 400 ms have passed: about one report per interval, not one per event.
    assert(before >= 3 && before <= 12, `${before}`);
    await reporter.end(null);
    reporter[Symbol.dispose]();
    const [first, last] = [api.patches[0], api.patches.at(-1)];
    assert(api.patches.every((p) => p.method === "PATCH" && p.path === PATH));
    assert(api.patches.every((p) => p.contentType === "application/merge-patch+json"));
    assertEquals(first?.authorization, "Bearer token-one");
    assertEquals(last?.authorization, "Bearer token-two");
    assertEquals(last?.body, {
      status: {
        progress: { percentage: 100, displayPercentage: "100 %", downloadedBytes: 1000, totalBytes: 1000 },
        download: {
          protocol: "XET",
          attempt: 1,
          totalAttempts: 2,
          protocolSequence: "XET,HTTP",
          message: "Complete",
        },
      },
    });
    const percentages = api.patches.map((p) => statusOf(p.body).progress.percentage);
    assertEquals(percentages, percentages.toSorted((a, b) => a - b));
  },
);

Deno.test(
  `the final report is retried while the server is busy, and is given up if refused or unanswered${OPENSSL_MISSING}`,
  NEEDS_OPENSSL,
  async () => {
    const certificates = await neededCertificates();
    await using _ = certificates;
    await using api = await startKubernetesApi(certificates);
    api.status = 503;
    const options = { protocols: ["HTTP"], interval: 60_000 };
    const reporter = await artifactReporter(api.env, options);
    const finished = reporter?.end(null);
    await sleep(400);
    api.status = 200;
    await finished;
    reporter?.[Symbol.dispose]();
    assertEquals(statusOf(api.patches.at(-1)?.body).progress.percentage, 100);

    api.status = 403;
    const before = api.patches.length;
    const refused = await artifactReporter(api.env, options);
    await refused?.end(null);
    refused?.[Symbol.dispose]();
    // The first report may have been cancelled.
    assert(api.patches.length - before <= 2, "a refused report is not retried");

    api.status = null;
    const hanging = await artifactReporter(api.env, options);
    await hanging?.end(null);
    await hanging?.end("too late");
    hanging?.[Symbol.dispose]();
  },
);

Deno.test(
  `aim fetch reports its progress to the artifact, from the expected size to the end${OPENSSL_MISSING}`,
  NEEDS_OPENSSL,
  async (t) => {
    const certificates = await neededCertificates();
    await using _ = certificates;
    await using api = await startKubernetesApi(certificates);
    await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
    const directory = await Deno.makeTempDir();
    const env = {
      ...api.env,
      HF_ENDPOINT: hub.url,
      HF_HOME: `${directory}/home`,
      TARGET_DIR: `${directory}/cache`,
      EXPECTED_SIZE_BYTES: `${BYTES}`,
      AIM_DOWNLOADER_PROTOCOL: "XET,HF_TRANSFER",
      STALL_TIMEOUT: "120",
    };
    try {
      await t.step("downloads into TARGET_DIR, and the last report is 100 %", async () => {
        const { code, stderr } = await aim(["fetch", "hf://org/model"], { env });
        assertEquals(code, 0, stderr);
        assertEquals((await Deno.stat(`${directory}/cache/model.safetensors`)).size, 3_000_000);
        const [first, last] = [statusOf(api.patches[0]?.body), statusOf(api.patches.at(-1)?.body)];
        assertEquals(first.progress.totalBytes, BYTES);
        assertEquals(last.progress, {
          percentage: 100,
          displayPercentage: "100 %",
          downloadedBytes: BYTES,
          totalBytes: BYTES,
        });
        assertEquals(last.download.protocolSequence, "XET,HF_TRANSFER");
        assertEquals(last.download.totalAttempts, 2);
        assertStringIncludes(stderr, "downloaded ");
        assert(!stderr.includes("token-one"));
      });

      await t.step("reports 100 % even if all files are already complete", async () => {
        api.patches.length = 0;
        const { code } = await aim(["fetch", "hf://org/model"], { env });
        assertEquals(code, 0);
        assertEquals(statusOf(api.patches.at(-1)?.body).progress.displayPercentage, "100 %");
      });

      await t.step("the operator's filters apply to fetch and size; flags override them", async () => {
        const filtered = { ...env, AIM_HF_EXCLUDE: "*/*, *.md", TARGET_DIR: `${directory}/filtered` };
        const { stdout } = await aim(["size", "hf://org/model"], { env: filtered });
        assertEquals(stdout, `{"url":"hf://org/model","sizeBytes":${BYTES - 3}}\n`);
        const { code } = await aim(["fetch", "hf://org/model"], { env: filtered });
        assertEquals(code, 0);
        const names = [...Deno.readDirSync(`${directory}/filtered`)].map((e) => e.name);
        assertEquals(names.filter((name) => !name.startsWith(".")).sort(), [
          "config.json",
          "model.safetensors",
        ]);
        const flags = await aim(["size", "hf://org/model", "--include", "original/*"], { env: filtered });
        assertEquals(flags.stdout, '{"url":"hf://org/model","sizeBytes":3}\n');
      });

      await t.step("each protocol counts as one attempt; a failed one is followed by the next", async () => {
        await using xet = await startHub({ repos: [{ id: "org/model", files: FILES, xet: () => true }] });
        api.patches.length = 0;
        xet.faults.push({ kind: "status", status: 500, match: (r) => r.target.includes("/cas/") });
        const { code, stderr } = await aim(["fetch", "hf://org/model", `${directory}/xet`], {
          env: { ...env, HF_ENDPOINT: xet.url },
        });
        assertEquals(code, 0, stderr);
        assertEquals(statusOf(api.patches[0]?.body).download.protocol, "XET");
        const { download, progress } = statusOf(api.patches.at(-1)?.body);
        assertEquals([download.protocol, download.attempt, download.totalAttempts], ["HF_TRANSFER", 2, 2]);
        assertEquals(progress.percentage, 100);
      });

      await t.step("a failure is reported with its reason and bytes", async () => {
        api.patches.length = 0;
        const { code } = await aim(["fetch", "hf://org/nothing"], { env });
        assertEquals(code, 5);
        const last = statusOf(api.patches.at(-1)?.body);
        assertEquals(last.progress.percentage, 0);
        assertEquals(last.progress.totalBytes, BYTES);
        assertStringIncludes(last.download.message, "org/nothing");
      });

      await t.step(
        "a source larger than expected is a warning; an invalid expected size is an error",
        async () => {
          const small = { ...env, EXPECTED_SIZE_BYTES: "1000", TARGET_DIR: `${directory}/small` };
          const { code, stderr } = await aim(["fetch", "hf://org/model"], { env: small });
          assertEquals(code, 0);
          assertStringIncludes(
            stderr,
            `WARNING hf://org/model has ${BYTES} bytes, EXPECTED_SIZE_BYTES says 1000`,
          );
          assertEquals(statusOf(api.patches.at(-1)?.body).progress.totalBytes, BYTES);
          for (const unknown of ["0", "", " "]) {
            const { code } = await aim(["fetch", "hf://org/model"], {
              env: { ...small, EXPECTED_SIZE_BYTES: unknown },
            });
            assertEquals(code, 0);
          }
          const wrong = await aim(["fetch", "hf://org/model"], {
            env: { ...env, EXPECTED_SIZE_BYTES: "5Gi" },
          });
          assertEquals(wrong.code, 2);
          assertStringIncludes(wrong.stderr, 'EXPECTED_SIZE_BYTES is "5Gi"');
        },
      );

      await t.step("S3 has a single protocol", async () => {
        await using s3 = await startS3({ buckets: { models: { "org/model/config.json": "{}\n" } } });
        api.patches.length = 0;
        const into = `${directory}/s3`;
        const { code } = await aim(["fetch", "s3://models/org/model", into], { env: { ...env, ...s3.env } });
        assertEquals(code, 0);
        const { download, progress } = statusOf(api.patches.at(-1)?.body);
        assertEquals(download.protocolSequence, "S3");
        assertEquals(progress.totalBytes, 3);
      });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);

Deno.test(
  `a download succeeds even if the API server fails, hangs, is unreachable or has a foreign certificate${OPENSSL_MISSING}`,
  NEEDS_OPENSSL,
  async (t) => {
    const certificates = await neededCertificates();
    await using _ = certificates;
    await using hub = await startHub({ repos: [{ id: "org/model", files: FILES }] });
    const directory = await Deno.makeTempDir();
    const fetchWith = async (name: string, env: Record<string, string>) => {
      const ran = await aim(["fetch", "hf://org/model", `${directory}/${name}`], {
        env: { ...env, HF_ENDPOINT: hub.url, HF_HOME: `${directory}/home` },
      });
      assertEquals(ran.code, 0, ran.stderr);
      assertEquals((await Deno.stat(`${directory}/${name}/model.safetensors`)).size, 3_000_000);
      return ran.stderr.split("\n").filter((line) => line.includes("cannot report"));
    };
    try {
      for (const status of [403, 500]) {
        await t.step(`status ${status}: one warning`, async () => {
          await using api = await startKubernetesApi(certificates);
          api.status = status;
          const warnings = await fetchWith(`${status}`, api.env);
          assertEquals(warnings.length, 1);
          assertStringIncludes(warnings[0] ?? "", `status ${status}`);
        });
      }
      await t.step("no answer", async () => {
        await using api = await startKubernetesApi(certificates);
        api.status = null;
        assertEquals((await fetchWith("silent", api.env)).length, 1);
      });
      await t.step("a certificate not signed by the service account's CA", async () => {
        const other = await neededCertificates();
        await using _ = other;
        await using api = await startKubernetesApi(certificates, other);
        assertEquals((await fetchWith("stranger", api.env)).length, 1);
        assertEquals(api.patches, []);
      });
      await t.step("unreachable", async () => {
        let env: Record<string, string>;
        {
          await using api = await startKubernetesApi(certificates);
          env = { ...api.env };
        }
        // Closing the server removed the service account, so nothing is reported.
        assertEquals((await fetchWith("gone", env)).length, 0);
        await Deno.mkdir(`${directory}/account`);
        await Deno.writeTextFile(`${directory}/account/token`, "t");
        await Deno.writeTextFile(`${directory}/account/ca.crt`, certificates.ca);
        env.AIM_SERVICE_ACCOUNT_DIR = `${directory}/account`;
        assertEquals((await fetchWith("closed", env)).length, 1);
      });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);

type Status = ReturnType<ArtifactTally["status"]>;

function statusOf(body: unknown): Status {
  return (body as { status: Status }).status;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
