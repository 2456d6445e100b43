import { digestHex } from "./digest_hex.ts";

/** An npm package that the program contains parts of. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** `name@version` of its dependencies. */
  readonly dependencies: readonly string[];
}

/** Contents of the bill. */
export interface SbomInput {
  readonly name: string;
  readonly version: string;
  readonly commit: string | null;
  /** SHA-256 of the executable. */
  readonly sha256: string;
  /** Packages by `name@version`. */
  readonly packages: Readonly<Record<string, NpmPackage>>;
  /** `name@version` of the packages that the program itself imports. */
  readonly direct: readonly string[];
  /** The lock file's `npm`: integrity by `name@version`. */
  readonly locked: Readonly<Record<string, { readonly integrity?: string }>>;
  /** Deno, which runs the program. */
  readonly runtime: { readonly version: string; readonly purl: string; readonly sha256: string | null };
}

/**
 * The bill of materials in CycloneDX 1.6 JSON. It is reproducible: it contains no time, and its serial number
 * is derived from its contents.
 *
 * @throws {Error} If a package is not in the lock file.
 */
export async function cycloneDx(input: SbomInput): Promise<string> {
  const self = `pkg:generic/${input.name}@${input.version}`;
  const ids = Object.keys(input.packages).sort();
  const refOf = (id: string) => {
    const found = input.packages[id];
    if (found === undefined) throw new Error(`${id} is a dependency but not in the list of packages`);
    return npmPurl(found.name, found.version);
  };
  const components = ids.map((id) => {
    const { name, version } = input.packages[id] ?? { name: id, version: "" };
    const [group, base] = name.startsWith("@") ? name.split("/") : [undefined, name];
    return {
      type: "library",
      "bom-ref": refOf(id),
      ...(group === undefined ? {} : { group }),
      name: base,
      version,
      scope: "required",
      hashes: [integrityHash(input.locked[id]?.integrity, id)],
      purl: refOf(id),
    };
  });
  const runtime = {
    type: "platform",
    "bom-ref": input.runtime.purl,
    name: "deno",
    version: input.runtime.version,
    scope: "required",
    ...(input.runtime.sha256 === null ? {} : { hashes: [{ alg: "SHA-256", content: input.runtime.sha256 }] }),
    licenses: [{ license: { id: "MIT" } }],
    purl: input.runtime.purl,
  };
  const bill = {
    metadata: {
      component: {
        type: "application",
        "bom-ref": self,
        name: input.name,
        version: input.version,
        hashes: [{ alg: "SHA-256", content: input.sha256 }],
        licenses: [{ license: { id: "MIT" } }],
        purl: self,
        ...(input.commit === null ? {} : { properties: [{ name: "git:commit", value: input.commit }] }),
      },
    },
    components: [runtime, ...components],
    dependencies: [
      { ref: self, dependsOn: [input.runtime.purl, ...[...input.direct].sort().map(refOf)] },
      { ref: input.runtime.purl, dependsOn: [] },
      ...ids.map((id) => ({
        ref: refOf(id),
        dependsOn: (input.packages[id]?.dependencies ?? []).filter((d) => d in input.packages).map(refOf)
          .sort(),
      })),
    ],
  };
  const digest = await digestHex("SHA-256", new TextEncoder().encode(JSON.stringify(bill)));
  const serial = [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `8${digest.slice(13, 16)}`,
    `8${digest.slice(17, 20)}`,
    digest.slice(20, 32),
  ].join("-");
  return `${
    JSON.stringify(
      {
        $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bomFormat: "CycloneDX",
        specVersion: "1.6",
        serialNumber: `urn:uuid:${serial}`,
        version: 1,
        ...bill,
      },
      null,
      2,
    )
  }\n`;
}

function npmPurl(name: string, version: string): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** Subresource integrity (`sha512-<base64>`) as a CycloneDX hash. */
function integrityHash(integrity: string | undefined, id: string): { alg: string; content: string } {
  const [, bits, base64] = /^sha(256|384|512)-([A-Za-z0-9+/]+=*)$/.exec(integrity ?? "") ?? [];
  if (base64 === undefined) throw new Error(`deno.lock has no integrity for ${id}`);
  return { alg: `SHA-${bits}`, content: Uint8Array.fromBase64(base64).toHex() };
}
