import { parseAllDocuments } from "yaml";

/** A Kubernetes object as a file holds it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}

/** The part of a pod that the tests look at. */
export interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly restartPolicy?: string;
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly { readonly name: string; readonly [kind: string]: unknown }[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly envFrom?: readonly unknown[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly resources?: { readonly limits?: Readonly<Record<string, string>> };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe?: { readonly periodSeconds: number; readonly failureThreshold: number };
  readonly livenessProbe?: unknown;
}

export const KUBERNETES = new URL("../../container/kubernetes/", import.meta.url).pathname;

/** Every object below `container/kubernetes`, by the file that holds it; kustomizations are among them. */
export async function readManifests(): Promise<{ readonly file: string; readonly manifest: Manifest }[]> {
  const found: { file: string; manifest: Manifest }[] = [];
  for (const folder of Deno.readDirSync(KUBERNETES)) {
    for (const { name } of Deno.readDirSync(`${KUBERNETES}${folder.name}`)) {
      const file = `${folder.name}/${name}`;
      const text = await Deno.readTextFile(`${KUBERNETES}${file}`);
      for (const document of parseAllDocuments(text, { strict: true, uniqueKeys: true })) {
        if (document.errors.length > 0) throw new Error(`${file}: ${document.errors[0]?.message}`);
        found.push({ file, manifest: document.toJS() as Manifest });
      }
    }
  }
  return found.sort((a, b) => a.file < b.file ? -1 : 1);
}

/** The pod that an object makes; `null` where it makes none. */
export function podOf(manifest: Manifest): PodSpec | null {
  const spec = manifest.spec as
    | { template?: { spec?: PodSpec }; containers?: readonly Container[] }
    | undefined;
  if (manifest.kind === "ClusterServingRuntime") return spec as unknown as PodSpec;
  return spec?.template?.spec ?? null;
}

/** All containers of a pod. */
export function containersOf(pod: PodSpec): readonly Container[] {
  return [...pod.initContainers ?? [], ...pod.containers];
}
