import { parseAllDocuments } from "yaml";

/** A Kubernetes object as written in a file. */
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

/** Every object below `container/kubernetes` with its file, including kustomizations. */
export async function readManifests(): Promise<{ readonly file: string; readonly manifest: Manifest }[]> {
  const found: { file: string; manifest: Manifest }[] = [];
  for (const file of filesIn("").filter((file) => file.endsWith(".yaml") && !file.endsWith("/values.yaml"))) {
    for (const value of readYaml(await Deno.readTextFile(`${KUBERNETES}${file}`), file)) {
      found.push({ file, manifest: value as Manifest });
    }
  }
  return found.sort((a, b) => a.file < b.file ? -1 : 1);
}

/** Folders below `container/kubernetes` with a kustomization. */
export function kustomizedFolders(): string[] {
  return filesIn("").filter((file) => file.endsWith("/kustomization.yaml"))
    .map((file) => file.slice(0, -"/kustomization.yaml".length)).sort();
}

/** The documents of a YAML text. @throws at the first error. */
export function readYaml(text: string, file: string): unknown[] {
  return parseAllDocuments(text, { strict: true, uniqueKeys: true }).map((document) => {
    if (document.errors.length > 0) throw new Error(`${file}: ${document.errors[0]?.message}`);
    return document.toJS();
  });
}

/** @param folder Empty, or ending in a slash. */
function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(`${KUBERNETES}${folder}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(`${folder}${name}/`) : [`${folder}${name}`]
  );
}

/** The pod that an object creates; `null` if it creates none. */
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
