import { nodeModule } from "../os/node_module.ts";
import type { KeyObject, X509Certificate } from "node:crypto";
import { AimError } from "../errors/aim_error.ts";

/** Certificates between the signer's and a root. */
const LONGEST_CHAIN = 10;

/**
 * The public key of a signer's certificate, once its chain leads to a trusted root. Times are looked at when the signer's certificate
 * began, as the model_signing package does: a signature outlives its certificate.
 *
 * @param chain DER, the signer's first.
 * @param trustedPem Certificates to trust; a root among them must be at the chain's end.
 * @throws {AimError} `integrity`, saying what is wrong with the chain.
 */
export function certificateKey(chain: readonly Uint8Array<ArrayBuffer>[], trustedPem: string): KeyObject {
  const trusted = (trustedPem.match(PEM) ?? []).map((pem) =>
    new (nodeModule("node:crypto").X509Certificate)(pem)
  );
  if (trusted.length === 0) throw untrusted("the file of trusted certificates holds none");
  const [signer, ...between] = chain.map(parse);
  if (signer === undefined) throw untrusted("it holds no certificate");
  const at = Date.parse(signer.validFrom);
  let current = signer;
  for (let depth = 0; depth < LONGEST_CHAIN; depth++) {
    const root = trusted.find((one) => one.raw.equals(current.raw) && isSelfSigned(one));
    if (root !== undefined) {
      if (!maySign(signer)) throw untrusted("the signer's certificate is not for signing");
      return signer.publicKey;
    }
    const issuer = [...trusted, ...between].find((one) =>
      one.ca && one.subject === current.issuer && isValid(one, at) && isSignedBy(current, one)
    );
    if (issuer === undefined || issuer.raw.equals(current.raw)) break;
    current = issuer;
  }
  throw untrusted("its certificate does not lead to a trusted root");
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

function parse(der: Uint8Array<ArrayBuffer>): X509Certificate {
  try {
    return new (nodeModule("node:crypto").X509Certificate)(der);
  } catch (cause) {
    throw untrusted("it holds a certificate that cannot be read", cause);
  }
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && isSignedBy(certificate, certificate);
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

function isValid(certificate: X509Certificate, at: number): boolean {
  return Date.parse(certificate.validFrom) <= at && at <= Date.parse(certificate.validTo);
}

/** keyUsage with digitalSignature (its first bit), or extendedKeyUsage with codeSigning (RFC 5280, 4.2.1.3 and 4.2.1.12). */
function maySign({ raw }: X509Certificate): boolean {
  const hex = new Uint8Array(raw).toHex();
  const usage = /0603551d0f(?:0101ff)?04..03..(?:..)(..)/.exec(hex)?.[1];
  if (usage !== undefined && (parseInt(usage, 16) & 0x80) !== 0) return true;
  return hex.includes("06082b06010505070303");
}

function untrusted(why: string, cause?: unknown): AimError {
  return new AimError("integrity", `the signature is not trusted: ${why}`, {
    hint: "check who signed it, and --certificate-chain",
    cause,
  });
}
