import { freePort } from "./free_port.ts";

/** A running Ceph S3 gateway. */
export interface Ceph extends AsyncDisposable {
  /** For `AWS_ENDPOINT_URL`. */
  readonly url: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Environment for a client: endpoint, keys, region, no other configuration. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const PROGRAMS = ["ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "ceph", "bash"];

/**
 * Starts a Ceph gateway with `ceph.sh`, in about 15 s. If `AIM_TEST_CEPH` names a running gateway
 * (`http://127.0.0.1:PORT`, keys AK and SK), that one is used and left running.
 *
 * @returns The gateway, or why there is none.
 */
export async function startCeph(options: { own?: boolean } = {}): Promise<Ceph | { readonly skip: string }> {
  const running = options.own === true ? undefined : Deno.env.get("AIM_TEST_CEPH");
  if (running !== undefined) return cephAt(running, () => Promise.resolve());
  for (const program of PROGRAMS) {
    if (!await isInstalled(program)) {
      return { skip: `${program} is not installed (Debian: ceph-mon ceph-osd radosgw ceph-common)` };
    }
  }
  const directory = await Deno.makeTempDir({ prefix: "aim-ceph-" });
  const script = new URL("ceph.sh", import.meta.url).pathname;
  const port = freePort();
  await bash(script, "start", directory, `${port}`, `${freePort()}`);
  return cephAt(`http://127.0.0.1:${port}`, () => bash(script, "stop", directory));
}

function cephAt(url: string, close: () => Promise<void>): Ceph {
  const env = {
    AWS_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: "AK",
    AWS_SECRET_ACCESS_KEY: "SK",
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  return { url, accessKey: "AK", secretKey: "SK", env, close, [Symbol.asyncDispose]: close };
}

async function isInstalled(program: string): Promise<boolean> {
  const { success } = await new Deno.Command("sh", {
    args: ["-c", 'command -v "$0"', program],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}

async function bash(...args: string[]): Promise<void> {
  // The daemons keep standard output open, so it is a file and not a pipe.
  const log = await Deno.makeTempFile();
  try {
    const child = new Deno.Command("bash", {
      args: ["-c", 'log=$0; exec bash "$@" >"$log" 2>&1', log, ...args],
    }).spawn();
    const { success } = await child.status;
    if (!success) throw new Error(`${args.join(" ")}:\n${await Deno.readTextFile(log)}`);
  } finally {
    await Deno.remove(log);
  }
}
