import { nodeModule } from "../os/node_module.ts";
import type { KeyObject, X509Certificate } from "node:crypto";
import { AimError } from "../errors/aim_error.ts";

/** Maximum certificates in a chain, including the signer's and the root. */
const LONGEST_CHAIN = 10;

/**
 * The public key of a signer's certificate, if its chain leads to a trusted root. As in the model_signing
 * package, all certificates must be valid at the start of the signer's validity: a signature remains valid
 * when its certificate expires.
 *
 * @param chain DER, the signer's first.
 * @param file Trusted certificates; the chain must end with a root among them.
 * @throws {AimError} `integrity`, with the reason why the chain is not trusted.
 */
export function certificateKey(
  chain: readonly Uint8Array<ArrayBuffer>[],
  file: { readonly path: string; readonly pem: string },
): KeyObject {
  const trusted = (file.pem.match(PEM) ?? []).map((pem) =>
    new (nodeModule("node:crypto").X509Certificate)(pem)
  );
  if (trusted.length === 0) throw untrusted(`${file.path} contains no certificate in PEM`);
  const [signer, ...between] = chain.map(parse);
  if (signer === undefined) throw untrusted("it has no certificate");
  const at = Date.parse(signer.validFrom);
  let current = signer;
  for (let depth = 0; depth < LONGEST_CHAIN; depth++) {
    const root = trusted.find((one) => one.raw.equals(current.raw) && isSelfSigned(one));
    if (root !== undefined) {
      if (!maySign(signer)) throw untrusted("the signer's certificate does not permit signing");
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
    throw untrusted("it has a certificate that cannot be read", cause);
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

/**
 * keyUsage with digitalSignature (its first bit), or extendedKeyUsage with codeSigning (RFC 5280, 4.2.1.3 and
 * 4.2.1.12).
 */
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
