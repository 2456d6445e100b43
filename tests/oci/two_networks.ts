/** Two network namespaces connected only to each other. */
export interface TwoNetworks extends AsyncDisposable {
  /** Command prefixes that run a command in each of them. */
  readonly near: readonly string[];
  readonly far: readonly string[];
  /** The far side's address. */
  readonly address: string;
  /** Disconnects them. */
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

/** Creates the namespaces, rootless if possible. Returns the reason if that fails. */
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
    return { skip: "this system does not allow network namespaces" };
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
