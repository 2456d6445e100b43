import type { Certificates } from "../servers/certificates.ts";
import { freePort } from "../servers/free_port.ts";
import type { RegistryAuth } from "./docker_registry.ts";

/** Issues tokens for docker-registry, as its token specification describes. */
export interface TokenServer extends AsyncDisposable {
  readonly auth: RegistryAuth;
}

/** Starts a token server: the user may push and pull; other clients get a token without permissions. */
export async function tokenServer(
  login: { user: string; password: string },
  tls?: Certificates["tls"],
): Promise<TokenServer> {
  const folder = await Deno.makeTempDir();
  const [key, certificate] = [`${folder}/key.pem`, `${folder}/cert.pem`];
  const { success } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate],
      ...["-days", "2", "-subj", "/CN=tokens"],
    ],
    stderr: "null",
  }).output();
  if (!success) throw new Error("openssl");
  const pem = await Deno.readTextFile(certificate);
  const der = derOf(pem).toBase64();
  const signing = await crypto.subtle.importKey(
    "pkcs8",
    derOf(await Deno.readTextFile(key)),
    { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    false,
    ["sign"],
  );
  await Deno.remove(folder, { recursive: true });
  const port = freePort();
  const server = Deno.serve({ hostname: "127.0.0.1", port, ...tls, onListen() {} }, async (request) => {
    // No OAuth2, like most registries: Go's clients then send a GET.
    if (request.method !== "GET") return new Response(null, { status: 405 });
    const url = new URL(request.url);
    const known = request.headers.get("authorization") === `Basic ${btoa(`${login.user}:${login.password}`)}`;
    if (request.headers.has("authorization") && !known) return new Response(null, { status: 401 });
    const [type, name] = url.searchParams.get("scope")?.split(":") ?? [];
    // Grants both actions: the Python client pushes with the token that it got for reading.
    const now = Math.floor(Date.now() / 1000);
    const token = await sign(signing, { typ: "JWT", alg: "RS256", x5c: [der] }, {
      iss: "issuer",
      aud: "registry",
      sub: login.user,
      exp: now + 300,
      nbf: now - 120,
      iat: now,
      jti: crypto.randomUUID(),
      access: known && name !== undefined ? [{ type, name, actions: ["pull", "push"] }] : [],
    });
    return Response.json({ token });
  });
  return {
    auth: {
      kind: "token",
      realm: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}/token`,
      service: "registry",
      issuer: "issuer",
      certificate: pem,
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function sign(key: CryptoKey, header: unknown, payload: unknown): Promise<string> {
  const part = (value: unknown) => base64Url(new TextEncoder().encode(JSON.stringify(value)));
  const text = `${part(header)}.${part(payload)}`;
  const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", key, new TextEncoder().encode(text));
  return `${text}.${base64Url(new Uint8Array(signature))}`;
}

function base64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function derOf(pem: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(pem.replaceAll(/-----[^-]+-----|\s/g, ""));
}
