import { run } from "../e2e/contained.ts";

/** Version of the stand-in for a ROCm vLLM image: Debian, Python and a stub `vllm` module. */
const VERSION = 1;
const PATH = `/var/tmp/aim-test-stub-base-${VERSION}.tar`;

/**
 * A tar archive of the stub base's root directory, built by `debootstrap` once per machine (30 s, 100 MB) and
 * cached in `/var/tmp`. Requires root.
 */
export async function stubBase(): Promise<string> {
  try {
    await Deno.stat(PATH);
    return PATH;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const directory = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "aim-stub-" });
  try {
    const root = `${directory}/root`;
    await run("debootstrap", "--variant=minbase", "--include=python3-minimal", "bookworm", root);
    const bulk = [
      "var/cache/apt/archives",
      "var/lib/apt/lists",
      "usr/share/doc",
      "usr/share/locale",
      "usr/share/man",
    ];
    for (const path of bulk) await Deno.remove(`${root}/${path}`, { recursive: true });
    const module = `${root}/usr/lib/python3/dist-packages/vllm`;
    await Deno.mkdir(`${module}/entrypoints/openai`, { recursive: true });
    for (const part of ["", "/entrypoints", "/entrypoints/openai"]) {
      await Deno.writeTextFile(`${module}${part}/__init__.py`, "");
    }
    await Deno.writeTextFile(`${module}/entrypoints/openai/api_server.py`, ENGINE);
    await run("tar", "-C", root, "-cf", `${directory}/base.tar`, ".");
    await Deno.rename(`${directory}/base.tar`, PATH);
    return PATH;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

// Prints its arguments and environment, reads the model, serves /health and exits on SIGTERM. Debian's
// minimal Python has no http or json module.
const ENGINE = `
import os, signal, socket, sys

def stop(*_):
    print("engine stopped", flush=True)
    os._exit(0)

signal.signal(signal.SIGTERM, stop)
args = sys.argv[1:]
model = args[args.index("--model") + 1]
for arg in args:
    print("arg", arg)
print("pid", os.getpid(), "uid", os.getuid())
for name in ("HF_HUB_OFFLINE", "HF_HOME", "HIP_VISIBLE_DEVICES"):
    print(name, os.environ.get(name))
print("fds", *sorted(os.listdir("/proc/self/fd"))[:-1])
if os.path.isdir(model):
    for name in sorted(os.listdir(model)):
        if os.path.isfile(model + "/" + name):
            with open(model + "/" + name, "rb") as file:
                print("file", name, len(file.read()))
server = socket.create_server(("", int(args[args.index("--port") + 1])))
print("engine listens", flush=True)
while True:
    client, _ = server.accept()
    asked = client.recv(65536).split(b" ")
    found = len(asked) > 1 and asked[1] == b"/health"
    client.sendall(b"HTTP/1.1 " + (b"200 OK" if found else b"404 Not Found") + b"\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    client.close()
`;
