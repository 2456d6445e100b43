import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { elfMachine, namedRuntime } from "../../container/packaging/find_runtime.ts";
import { permissionFlags } from "../../container/packaging/permission_flags.ts";
import { cycloneDx, type SbomInput } from "../../container/packaging/sbom.ts";
import { schemaFaults } from "./cyclonedx.ts";

const PURL = "pkg:npm/%40deno/linux-x64-glibc@2.9.6";
const INPUT: SbomInput = {
  name: "aim",
  version: "1.2.3",
  commit: "0123456789abcdef0123456789abcdef01234567",
  sha256: "ab".repeat(32),
  packages: {
    "yaml@2.9.1": { name: "yaml", version: "2.9.1", dependencies: [] },
    "@aws-sdk/client-s3@3.0.0": {
      name: "@aws-sdk/client-s3",
      version: "3.0.0",
      dependencies: ["yaml@2.9.1"],
    },
  },
  direct: ["@aws-sdk/client-s3@3.0.0"],
  locked: {
    "yaml@2.9.1": { integrity: `sha512-${btoa("x".repeat(64))}` },
    "@aws-sdk/client-s3@3.0.0": { integrity: `sha512-${btoa("y".repeat(64))}` },
  },
  runtime: { version: "2.9.6", purl: PURL, sha256: "cd".repeat(32) },
};

Deno.test("the bill of materials is valid against CycloneDX's schema", async () => {
  assertEquals(await schemaFaults(JSON.parse(await cycloneDx(INPUT))), []);
  const wrong = { ...JSON.parse(await cycloneDx(INPUT)), components: [{ name: "no type" }] };
  assert((await schemaFaults(wrong)).length > 0);
});

Deno.test("the bill of materials lists every package with its digest and dependants", async () => {
  const bill = JSON.parse(await cycloneDx(INPUT));
  const hex = (letter: string) => new TextEncoder().encode(letter.repeat(64)).toHex();
  assertEquals(
    bill.components.map(({ purl, hashes }: { purl: string; hashes: unknown }) => [purl, hashes]),
    [
      [PURL, [{ alg: "SHA-256", content: "cd".repeat(32) }]],
      ["pkg:npm/%40aws-sdk/client-s3@3.0.0", [{ alg: "SHA-512", content: hex("y") }]],
      ["pkg:npm/yaml@2.9.1", [{ alg: "SHA-512", content: hex("x") }]],
    ],
  );
  assertEquals(bill.dependencies, [
    { ref: "pkg:generic/aim@1.2.3", dependsOn: [PURL, "pkg:npm/%40aws-sdk/client-s3@3.0.0"] },
    { ref: PURL, dependsOn: [] },
    { ref: "pkg:npm/%40aws-sdk/client-s3@3.0.0", dependsOn: ["pkg:npm/yaml@2.9.1"] },
    { ref: "pkg:npm/yaml@2.9.1", dependsOn: [] },
  ]);
  assertEquals(bill.metadata.component.hashes, [{ alg: "SHA-256", content: "ab".repeat(32) }]);
});

Deno.test("the same components give the same bill, others a different serial number", async () => {
  const serial = async (input: SbomInput) => JSON.parse(await cycloneDx(input)).serialNumber;
  assertEquals(await cycloneDx(INPUT), await cycloneDx(structuredClone(INPUT)));
  assert(await serial(INPUT) !== await serial({ ...INPUT, sha256: "ac".repeat(32) }));
});

Deno.test("a package without a digest in the lock file fails the bill of materials", async () => {
  const message = await cycloneDx({ ...INPUT, locked: {} }).then(() => "", String);
  assertStringIncludes(message, "deno.lock has no integrity for @aws-sdk/client-s3@3.0.0");
});

Deno.test("the permission set becomes flags; allowing everything is refused", () => {
  const flags = (set: unknown) => permissionFlags({ permissions: { default: set } });
  assertEquals(flags({ read: true, net: false, run: ["a", "b"], sys: [] }), [
    "--allow-read",
    "--allow-run=a,b",
  ]);
  assertThrows(() => flags({ all: true }), Error, "allows everything");
  assertThrows(() => flags({ read: "yes" }), Error, "neither a boolean nor a list");
  assertThrows(() => flags(undefined), Error, "no permission set");
});

Deno.test("a runtime for another machine, of another version, or that is not a program is refused", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const write = (name: string, bytes: Uint8Array<ArrayBuffer>) => {
      Deno.writeFileSync(`${directory}/${name}`, bytes);
      return `${directory}/${name}`;
    };
    const mine = Deno.build.target;
    const other = mine.startsWith("x86_64") ? "aarch64-unknown-linux-gnu" : "x86_64-unknown-linux-gnu";
    const elf = (machine: number, text = "") => {
      const bytes = new Uint8Array([
        ...Uint8Array.fromHex("7f454c460201010000000000000000000200"),
        machine,
        0,
      ]);
      return new Uint8Array([...bytes, ...new TextEncoder().encode(text)]);
    };
    assertEquals([62, 183].map((machine) => elfMachine(write("elf", elf(machine)))), [62, 183]);
    for (const text of ["", "#!/bin/sh\n", "#!/bin/sh\necho it is long enough\n"]) {
      assertEquals(elfMachine(write("text", new TextEncoder().encode(text))), null);
    }
    const arm = write("arm", elf(183, `deno ${Deno.version.deno} `));
    assertEquals(namedRuntime(arm, "aarch64-unknown-linux-gnu"), { path: arm, version: Deno.version.deno });
    assertThrows(() => namedRuntime(arm, "x86_64-unknown-linux-gnu"), Error, "is not a program for x86_64");
    assertThrows(() => namedRuntime(Deno.execPath(), other), Error, `is not a program for ${other}`);
    assertThrows(
      () => namedRuntime(write("old", elf(62, "1.2.3")), "x86_64-unknown-linux-gnu"),
      Error,
      "is not Deno",
    );
    assertEquals(namedRuntime(Deno.execPath(), mine).version, Deno.version.deno);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
