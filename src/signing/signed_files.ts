import { nodeModule } from "../os/node_module.ts";
import type { KeyObject } from "node:crypto";
import { AimError } from "../errors/aim_error.ts";
import { certificateKey } from "./certificate_key.ts";

export interface Signer {
  readonly kind: "key" | "certificates";
  /** The file of `pem`, for messages. */
  readonly path: string;
  readonly pem: string;
}

export interface SignedFiles {
  /** SHA-256 in hex by path. */
  readonly files: ReadonlyMap<string, string>;
  /** Files and folders that the signature does not cover. */
  readonly ignored: readonly string[];
}

const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT = "https://in-toto.io/Statement/v1";
const PREDICATE = "https://model_signing/signature/v1.0";
const HASHES: Readonly<Record<string, string>> = {
  prime256v1: "sha256",
  secp384r1: "sha384",
  secp521r1: "sha512",
};

/**
 * Verifies a signature, and returns the files that it covers. Supports the model_signing package's elliptic
 * keys of 256, 384 or 521 bits and its default method: complete files hashed with SHA-256.
 *
 * @param text The signature: a Sigstore bundle with a DSSE envelope (OpenSSF model signing 1.0).
 * @param name The signature's name, for messages.
 * @throws {AimError} `integrity` if it is forged, another signer's, or of an unsupported kind.
 */
export function signedFiles(text: string, signer: Signer, name: string): SignedFiles {
  try {
    const { dsseEnvelope, verificationMaterial } = objectOf(JSON.parse(text));
    const { payload, payloadType, signatures } = objectOf(dsseEnvelope);
    const [signature] = Array.isArray(signatures) ? signatures : [];
    if (payloadType !== PAYLOAD_TYPE) {
      throw refused(name, `it signs ${JSON.stringify(payloadType)}, not a model`);
    }
    const content = bytesOf(payload);
    const key = keyOf(objectOf(verificationMaterial), signer, name);
    checkSignature(content, bytesOf(objectOf(signature).sig), key, name);
    return statementFiles(new TextDecoder().decode(content), name);
  } catch (cause) {
    if (cause instanceof AimError) throw cause;
    throw new AimError("integrity", `${name} is not a signature of a model (a Sigstore bundle in JSON)`, {
      hint: "sign the model again with the model_signing package",
      cause,
    });
  }
}

export interface UnsignedFile {
  readonly path: string;
  readonly kind: keyof typeof DIFFERENCES;
  /** A clause without its subject. */
  readonly reason: string;
}

const DIFFERENCES = {
  changed: "differs from what was signed",
  missing: "was signed, but is missing",
  extra: "was not signed",
} as const;

/**
 * Compares a model's files with what was signed.
 *
 * @param digests SHA-256 in hex of every file of the model.
 */
export function compareSigned(
  { files, ignored }: SignedFiles,
  digests: ReadonlyMap<string, string>,
): UnsignedFile[] {
  const isIgnored = (path: string) => ignored.some((one) => path === one || path.startsWith(`${one}/`));
  return [...new Set([...digests.keys(), ...files.keys()])].flatMap((path) => {
    const [signed, digest] = [files.get(path), digests.get(path)];
    if (signed === digest || signed === undefined && isIgnored(path)) return [];
    const kind = signed === undefined ? "extra" : digest === undefined ? "missing" : "changed";
    return [{ path, kind, reason: DIFFERENCES[kind] }];
  });
}

function checkSignature(
  content: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  key: KeyObject,
  name: string,
): void {
  const hash = HASHES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (hash === undefined) {
    throw refused(name, "its key is not on one of the elliptic curves P-256, P-384 or P-521");
  }
  const head = new TextEncoder().encode(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${content.length} `);
  const signed = new Uint8Array(head.length + content.length);
  signed.set(head);
  signed.set(content, head.length);
  let isRight = false;
  try {
    isRight = nodeModule("node:crypto").verify(hash, signed, { key, dsaEncoding: "der" }, signature);
  } catch { /* not a signature */ }
  if (!isRight) throw refused(name, "it does not match this key and this content");
}

function keyOf(material: Json, signer: Signer, name: string): KeyObject {
  const { certificate, x509CertificateChain: chain, publicKey: named } = material;
  if (certificate !== undefined) {
    throw refused(name, "it is a keyless signature (Sigstore), which aim does not check");
  }
  if (signer.kind === "certificates") {
    if (chain === undefined) throw refused(name, "it was made with a key, not a certificate");
    const { certificates } = objectOf(chain);
    if (!Array.isArray(certificates) || certificates.length === 0) throw new TypeError("no certificates");
    return certificateKey(certificates.map((one) => bytesOf(objectOf(one).rawBytes)), signer);
  }
  if (chain !== undefined) throw refused(name, "it was made with a certificate: use --certificate-chain");
  const key = publicKey(signer);
  const pem = key.export({ type: "spki", format: "pem" });
  // Older bundles do not name the key that they were made with.
  const { hint } = objectOf(named);
  const own = nodeModule("node:crypto").createHash("sha256").update(pem).digest("hex");
  if (hint && hint !== own) throw refused(name, "it was made with another key");
  return key;
}

function publicKey({ path, pem }: Signer): KeyObject {
  try {
    const key = nodeModule("node:crypto").createPublicKey(pem);
    if (key.asymmetricKeyType === "ec") return key;
  } catch { /* the error is below */ }
  throw new AimError("usage", `${path} is not the PEM file of an elliptic-curve public key`, {
    hint: "give the public key that belongs to the signer's private key",
  });
}

function statementFiles(text: string, name: string): SignedFiles {
  const statement = JSON.parse(text);
  if (statement?._type !== STATEMENT || statement.predicateType !== PREDICATE) {
    throw refused(name, `it is a statement of type ${JSON.stringify(statement?.predicateType)}`);
  }
  const { serialization, resources } = statement.predicate ?? {};
  if (serialization?.method !== "files" || serialization.hash_type !== "sha256") {
    throw refused(
      name,
      `it covers ${serialization?.method} with ${serialization?.hash_type}; aim checks only complete files with sha256`,
    );
  }
  const files = new Map<string, string>();
  const all = nodeModule("node:crypto").createHash("sha256");
  for (const { name: path, algorithm, digest } of resources ?? []) {
    if (algorithm !== "sha256" || typeof path !== "string" || !/^[0-9a-f]{64}$/.test(digest)) {
      throw refused(name, "it has an invalid digest");
    }
    all.update(Uint8Array.fromHex(digest));
    files.set(path, digest);
  }
  const [subject, ...more] = statement.subject ?? [];
  if (more.length > 0 || subject?.digest?.sha256 !== all.digest("hex")) {
    throw refused(name, "its digests contradict each other");
  }
  const ignored = Array.isArray(serialization.ignore_paths) ? serialization.ignore_paths.map(String) : [];
  return { files, ignored };
}

type Json = Readonly<Record<string, unknown>>;

function objectOf(value: unknown): Json {
  if (typeof value !== "object" || value === null) throw new TypeError("not an object");
  return value as Json;
}

function bytesOf(value: unknown): Uint8Array<ArrayBuffer> {
  if (typeof value !== "string" || value === "") throw new TypeError("not base64");
  return Uint8Array.fromBase64(value);
}

function refused(name: string, why: string): AimError {
  return new AimError("integrity", `the signature ${JSON.stringify(name)} is refused: ${why}`, {
    hint: "get the model from its signer, or check the key",
  });
}
