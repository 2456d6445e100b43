import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  checkDirectory,
  checkGpus,
  checkHost,
  checkPort,
  type HostFacts,
} from "../../src/cli/doctor/check_host.ts";
import { checkNetworkSettings } from "../../src/cli/doctor/check_network.ts";
import { doctorMarkdown, doctorText } from "../../src/cli/doctor/render_doctor.ts";
import { withStyles } from "../../src/cli/style.ts";
import type { KernelFiles } from "../../src/os/kernel_files.ts";
import { ABSENT } from "../../src/os/read_regular_file.ts";
import type { Gpu, GpuInventory } from "../../src/gpu/types.ts";

const GPU: Gpu = {
  index: 0,
  hipIndex: 0,
  model: "MI300X",
  deviceId: "0x74a1",
  pciAddress: "0000:c1:00.0",
  uuid: null,
  renderNode: "/dev/dri/renderD128",
  vramTotal: 1,
  vramUsed: 0,
  busyPercent: 0,
  partition: null,
  visible: true,
  hiddenBecause: null,
  source: "sysfs",
};
const FOUND: GpuInventory = {
  type: "gpu",
  cpu: null,
  source: "sysfs",
  gpus: [GPU],
  model: "MI300X",
  count: 1,
  partitioned: false,
  warnings: [],
  reasons: [],
};

Deno.test("usable GPUs are ok; inaccessible ones are reported with the reason", () => {
  const hidden = { ...GPU, index: 1, visible: false, hiddenBecause: "/dev/dri/renderD129 cannot be opened" };
  assertEquals(checkGpus({ ...FOUND, gpus: [GPU, hidden], warnings: ["GPU 0 is busy"] }), [
    { name: "GPUs", state: "ok", found: "1 x MI300X, from sysfs" },
    { name: "GPUs", state: "warning", found: "GPU 0 is busy" },
    {
      name: "GPUs",
      state: "ok",
      found: "not used: GPU 1: /dev/dri/renderD129 cannot be opened",
    },
  ]);
});

Deno.test("without a GPU the doctor's check fails with the reason", () => {
  const none = {
    ...FOUND,
    source: "none",
    gpus: [],
    model: null,
    count: 0,
    reasons: ["no /sys/class/kfd"],
  } as const;
  assertEquals(checkGpus(none).map((c) => [c.state, c.found]), [["failed", "no /sys/class/kfd"]]);
});

Deno.test("a directory is tested by writing a file, which is removed", async () => {
  const root = await Deno.makeTempDir();
  try {
    const check = await checkDirectory("cache", root, "failed");
    assertEquals(check.state, "ok");
    assertMatch(check.found, /: .*iB free, writable$/);
    assertEquals([...Deno.readDirSync(root)], []);
    const absent = await checkDirectory("cache", `${root}/a/b`, "failed");
    assertEquals(absent.state, "ok");
    assertMatch(absent.found, /writable, does not exist yet$/);
    await Deno.writeTextFile(`${root}/file`, "");
    assertEquals((await checkDirectory("cache", `${root}/file`, "failed")).state, "failed");
    for (const closed of ["/dev/shm/aim", "/proc/aim", "/sys"]) {
      const { state, todo } = await checkDirectory("cache", closed, "warning");
      assertEquals([state, todo?.includes("AIM_CACHE_PATH")], ["failed", true], closed);
    }
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("proxies and certificates are shown without passwords, and invalid ones cause warnings", async () => {
  assertEquals(checkNetworkSettings({}), [{ name: "proxy", state: "ok", found: "none is set" }]);
  const pem = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(pem, "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n");
    const checks = checkNetworkSettings({
      HTTPS_PROXY: "http://user:planted-pass@proxy:3128",
      http_proxy: "proxy:3128",
      NO_PROXY: ".local",
      SSL_CERT_FILE: pem,
      NODE_EXTRA_CA_CERTS: pem,
      AWS_CA_BUNDLE: "/none.pem",
    });
    assertEquals(checks.map((c) => [c.name, c.state, c.found]), [
      ["proxy", "ok", "HTTPS_PROXY is http://***@proxy:3128"],
      ["proxy", "warning", 'http_proxy is "proxy:3128"'],
      ["proxy", "ok", "not used for .local"],
      ["certificates", "ok", `${pem}, named by SSL_CERT_FILE, NODE_EXTRA_CA_CERTS: 1 certificate`],
      ["certificates", "warning", "/none.pem, named by AWS_CA_BUNDLE, cannot be read"],
    ]);
  } finally {
    await Deno.remove(pem);
  }
});

Deno.test("the doctor's report has a hint below each problem and ends with a summary", () => {
  const checks = [
    { name: "GPUs", state: "ok", found: "1 x MI300X", todo: "not shown" },
    { name: "cache", state: "warning", found: "/c: not writable", todo: "mount it writable" },
    { name: "cache", state: "failed", found: "/d: full" },
  ] as const;
  assertEquals(
    withStyles(doctorText(checks, 100), false),
    [
      "ok       GPUs   1 x MI300X",
      "warning  cache  /c: not writable",
      "                -> mount it writable",
      "failed          /d: full",
      "",
      "1 problem would stop serve, 1 warning",
      "",
    ].join("\n"),
  );
});

Deno.test("no line of the doctor's report is wider than the terminal", () => {
  const checks = [
    {
      name: "certificates",
      state: "warning",
      found: "a fact in several words ".repeat(9),
      todo: "do this ".repeat(20),
    },
    { name: "GPUs", state: "failed", found: "/sys/class/kfd is not there" },
  ] as const;
  for (const width of [40, 60, 80, 120]) {
    for (const line of withStyles(doctorText(checks, width), false).split("\n")) {
      assert(line.length <= width, line);
    }
  }
});

Deno.test("GPUs with the same kind of problem share one line that names their range", () => {
  const closed = Array.from({ length: 8 }, (_, index): Gpu => ({
    ...GPU,
    index,
    renderNode: `/dev/dri/renderD${128 + index}`,
    visible: index === 0,
    hiddenBecause: index === 0 ? null : `/dev/dri/renderD${128 + index} cannot be opened: EACCES`,
  }));
  const lines = checkGpus({ ...FOUND, gpus: closed }).map((check) => check.found);
  assertEquals(lines.length, 2);
  assertMatch(lines[1] ?? "", /GPUs 1-7: .*EACCES/);
});

Deno.test("the Markdown report has a table row for each check, with bars escaped", () => {
  const page = doctorMarkdown([{ name: "a|b", state: "failed", found: "x\ny", todo: "z" }]);
  assertEquals(page.trimEnd().split("\n").at(-1), "| failed | a\\|b | x y | z |");
});

Deno.test("little shared memory, a model larger than memory, and a port in use are reported", () => {
  const files = (answers: Readonly<Record<string, string>>): KernelFiles => ({
    text: (path) => answers[path] === undefined ? ABSENT : { kind: "ok", value: answers[path] },
    list: () => ABSENT,
    openable: () => ABSENT,
    link: () => ABSENT,
    group: () => null,
  });
  const facts = { memory: { available: 2 ** 34, total: 2 ** 35 }, gpuCount: 8, modelBytes: 2 ** 33 };
  const states = (answers: Readonly<Record<string, string>>, more: Partial<HostFacts> = {}) =>
    checkHost({ files: files(answers), ...facts, ...more }).map((check) => check.state);
  const mounts = (size: string) => ({ "/proc/self/mounts": `shm /dev/shm tmpfs rw,nosuid${size} 0 0\n` });
  assertEquals(states(mounts(",size=65536k")), ["warning", "ok"]);
  assertEquals(states(mounts(",size=65536k"), { gpuCount: 1 }), ["ok", "ok"]);
  assertEquals(states(mounts("")), ["ok", "ok"]);
  assertEquals(states({ ...mounts(""), "/sys/fs/cgroup/memory.max": "4294967296\n" }), ["ok", "warning"]);
  assertEquals(states({}), ["warning", "ok"]);
  const listener = Deno.listen({ port: 0, hostname: "0.0.0.0" });
  try {
    assertEquals(checkPort(listener.addr.port).state, "failed");
  } finally {
    listener.close();
  }
  assertEquals(checkPort(listener.addr.port).state, "ok");
});
