import { AimError } from "../errors/aim_error.ts";

/** A model's signature: a Sigstore bundle with a DSSE envelope (OpenSSF model signing 1.0). */
export interface SignatureBundle {
  /** The signed bytes, before DSSE's encoding. */
  readonly payload: Uint8Array<ArrayBuffer>;
  readonly payloadType: string;
  /** ECDSA, DER. */
  readonly signature: Uint8Array<ArrayBuffer>;
  readonly material:
    /** `hint`: SHA-256 of the key's PEM; `null` in older bundles. */
    | { readonly kind: "key"; readonly hint: string | null }
    /** DER, the signer's first. */
    | { readonly kind: "certificates"; readonly certificates: readonly Uint8Array<ArrayBuffer>[] }
    /** Signed by an identity: a short-lived certificate and a transparency log. */
    | { readonly kind: "keyless" };
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a bundle.
 *
 * @param name For messages.
 * @throws {AimError} `integrity` if it is not a bundle.
 */
export function readBundle(text: string, name: string): SignatureBundle {
  try {
    const bundle = object(JSON.parse(text));
    const envelope = object(bundle.dsseEnvelope);
    const [signature] = Array.isArray(envelope.signatures) ? envelope.signatures : [];
    return {
      payload: bytes(envelope.payload),
      payloadType: String(envelope.payloadType),
      signature: bytes(object(signature).sig),
      material: materialOf(object(bundle.verificationMaterial)),
    };
  } catch (cause) {
    throw new AimError("integrity", `${name} is not a signature of a model (a Sigstore bundle in JSON)`, {
      hint: "sign the model again with the model_signing package",
      cause,
    });
  }
}

function materialOf(material: Json): SignatureBundle["material"] {
  if (material.certificate !== undefined) return { kind: "keyless" };
  if (material.x509CertificateChain !== undefined) {
    const { certificates } = object(material.x509CertificateChain);
    if (!Array.isArray(certificates) || certificates.length === 0) throw new TypeError("no certificates");
    return { kind: "certificates", certificates: certificates.map((one) => bytes(object(one).rawBytes)) };
  }
  const { hint } = object(material.publicKey);
  return { kind: "key", hint: typeof hint === "string" && hint !== "" ? hint : null };
}

function object(value: unknown): Json {
  if (typeof value !== "object" || value === null) throw new TypeError("not an object");
  return value as Json;
}

function bytes(value: unknown): Uint8Array<ArrayBuffer> {
  if (typeof value !== "string" || value === "") throw new TypeError("not base64");
  return Uint8Array.fromBase64(value);
}
