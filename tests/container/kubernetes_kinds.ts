import type { Manifest } from "./manifests.ts";

/** Kubernetes' own kinds and their modules in kubernetes-models. */
const KINDS: Readonly<Record<string, string>> = {
  "v1 ConfigMap": "kubernetes-models/v1/ConfigMap",
  "v1 Namespace": "kubernetes-models/v1/Namespace",
  "v1 ServiceAccount": "kubernetes-models/v1/ServiceAccount",
  "v1 PersistentVolumeClaim": "kubernetes-models/v1/PersistentVolumeClaim",
  "v1 Service": "kubernetes-models/v1/Service",
  "apps/v1 Deployment": "kubernetes-models/apps/v1/Deployment",
  "apps/v1 DaemonSet": "kubernetes-models/apps/v1/DaemonSet",
  "batch/v1 Job": "kubernetes-models/batch/v1/Job",
  "networking.k8s.io/v1 NetworkPolicy": "kubernetes-models/networking.k8s.io/v1/NetworkPolicy",
};
export const CONTAINER = "kubernetes-models/v1/Container";
export const VOLUME = "kubernetes-models/v1/Volume";

/** A value that must have a type of Kubernetes. */
export interface TypedValue {
  /** For messages. */
  readonly where: string;
  /** Module of kubernetes-models; its last part names the type. */
  readonly module: string;
  readonly value: unknown;
}

/** `apiVersion kind`. */
export function kindOf({ apiVersion, kind }: Manifest): string {
  return `${apiVersion} ${kind}`;
}

/** The module of an object's kind; `undefined` if the kind is not one of Kubernetes' own. */
export function moduleOf(manifest: Manifest): string | undefined {
  return KINDS[kindOf(manifest)];
}

/** The class of kubernetes-models that validates a value against Kubernetes' OpenAPI schema. */
export async function modelOf(module: string): Promise<new (value: unknown) => { validate(): void }> {
  const name = module.split("/").at(-1) ?? "";
  const exported = await import(module) as Record<string, unknown>;
  const found = exported[name];
  if (typeof found !== "function") throw new Error(`${module} has no ${name}`);
  return found as new (value: unknown) => { validate(): void };
}

/**
 * The type checker's errors: unknown fields and fields of the wrong type; `null` if there are none.
 */
export async function typeFaults(values: readonly TypedValue[]): Promise<string | null> {
  const directory = await Deno.makeTempDir();
  try {
    const lines = values.map(({ where, module, value }, i) =>
      `// ${where}\nimport type { I${module.split("/").at(-1)} as T${i} } from "${module}";\n` +
      `export const v${i}: T${i} = ${JSON.stringify(value)};`
    );
    await Deno.writeTextFile(`${directory}/objects.ts`, lines.join("\n"));
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "-q", `--config=${config}`, `${directory}/objects.ts`],
      env: { NO_COLOR: "1" },
    }).output();
    return success ? null : new TextDecoder().decode(stderr);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
