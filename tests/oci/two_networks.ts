/** Two network namespaces with a cable between them, and nothing else in either. */
export interface TwoNetworks extends AsyncDisposable {
  /** Words before a command that runs on the near side, or on the far one. */
  readonly near: readonly string[];
  readonly far: readonly string[];
  /** Of the far side, as both see it. */
  readonly address: string;
  /** Takes the cable away. */
  cut(): Promise<void>;
}

const SCRIPT = `
unshare -n sleep infinity & far=$!
until [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
ip link set lo up
ip link add near type veth peer name far netns $far
ip address add 10.99.0.1/24 dev near
ip link set near up
nsenter -t $far -n sh -euc 'ip link set lo up; ip address add 10.99.0.2/24 dev far; ip link set far up'
echo $far
trap 'kill $far' TERM
wait $far
`;

/** Makes them, without special rights; says why where that cannot be. */
export async function twoNetworks(): Promise<TwoNetworks | { readonly skip: string }> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("unshare", {
      args: ["-r", "-n", "sh", "-euc", SCRIPT],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  } catch {
    return { skip: "unshare is not installed" };
  }
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  const inside = (pid: number) => ["nsenter", "-t", `${pid}`, "-U", "-n", "--preserve-credentials"];
  const far = Number(value.trim());
  if (!(far > 0)) {
    await child.status;
    return { skip: "network namespaces cannot be made here" };
  }
  return {
    near: inside(child.pid),
    far: inside(far),
    address: "10.99.0.2",
    async cut() {
      const [program = "", ...args] = [...inside(child.pid), "ip", "link", "set", "near", "down"];
      await new Deno.Command(program, { args }).output();
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await reader.cancel();
    },
  };
}
