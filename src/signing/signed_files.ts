import { nodeModule } from "../os/node_module.ts";
import type { KeyObject } from "node:crypto";
import { AimError } from "../errors/aim_error.ts";
import { certificateKey } from "./certificate_key.ts";
import type { SignatureBundle } from "./read_bundle.ts";

/** The trusted key or certificates, as PEM. */
export type Signer =
  | { readonly kind: "key"; readonly pem: string }
  | { readonly kind: "certificates"; readonly pem: string };

export interface SignedFiles {
  /** SHA-256 in hex by path. */
  readonly files: ReadonlyMap<string, string>;
  /** Files and folders that the signature leaves out. */
  readonly ignored: readonly string[];
}

const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT = "https://in-toto.io/Statement/v1";
const PREDICATE = "https://model_signing/signature/v1.0";

/**
 * The files of a signature, after checking that it is the signer's. Supports the model_signing package's elliptic
 * keys of 256, 384 or 521 bits and its default method: complete files hashed by SHA-256.
 *
 * @param name Of the signature, for messages.
 * @throws {AimError} `integrity` if it is forged, another signer's, or of an unsupported kind.
 */
export function signedFiles(bundle: SignatureBundle, signer: Signer, name: string): SignedFiles {
  const { payload, payloadType, signature } = bundle;
  if (payloadType !== PAYLOAD_TYPE) {
    throw refused(name, `it signs ${JSON.stringify(payloadType)}, not a model`);
  }
  const key = keyOf(bundle, signer, name);
  const hash = HASHES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (hash === undefined) {
    throw refused(name, "its key is not on one of the elliptic curves P-256, P-384 and P-521");
  }
  const head = new TextEncoder().encode(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `);
  const signed = new Uint8Array(head.length + payload.length);
  signed.set(head);
  signed.set(payload, head.length);
  let isRight = false;
  try {
    isRight = nodeModule("node:crypto").verify(hash, signed, { key, dsaEncoding: "der" }, signature);
  } catch { /* not a signature */ }
  if (!isRight) throw refused(name, "it was not made with this key over this content");
  return statementFiles(new TextDecoder().decode(payload), name);
}

const HASHES: Readonly<Record<string, string>> = {
  prime256v1: "sha256",
  secp384r1: "sha384",
  secp521r1: "sha512",
};

function keyOf({ material }: SignatureBundle, signer: Signer, name: string): KeyObject {
  if (material.kind === "keyless") {
    throw refused(name, "it is a keyless signature (Sigstore), which aim does not check");
  }
  if (signer.kind === "certificates") {
    if (material.kind !== "certificates") throw refused(name, "it was made with a key, not a certificate");
    return certificateKey(material.certificates, signer.pem);
  }
  if (material.kind !== "key") throw refused(name, "it was made with a certificate: use --certificate-chain");
  const key = publicKey(signer.pem);
  const own = nodeModule("node:crypto").createHash("sha256").update(
    key.export({ type: "spki", format: "pem" }),
  ).digest("hex");
  if (material.hint !== null && material.hint !== own) throw refused(name, "it was made with another key");
  return key;
}

function publicKey(pem: string): KeyObject {
  try {
    const key = nodeModule("node:crypto").createPublicKey(pem);
    if (key.asymmetricKeyType === "ec") return key;
  } catch { /* the error is below */ }
  throw new AimError("usage", "the key is not an elliptic public key in PEM", {
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
      `it was made over ${serialization?.method} with ${serialization?.hash_type}; aim checks only complete files with sha256`,
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

function refused(name: string, why: string): AimError {
  return new AimError("integrity", `${JSON.stringify(name)} is refused as a signature: ${why}`, {
    hint: "get the model from its signer, or check the key",
  });
}
