/** A request to a fake endpoint. */
export interface AskedOfAws {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

/** The endpoints from which the AWS default chain gets credentials, all at one address on loopback. */
export interface AwsEndpoints extends AsyncDisposable {
  /** For `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL_SSO`, `AWS_EC2_METADATA_SERVICE_ENDPOINT`. */
  readonly url: string;
  readonly asked: AskedOfAws[];
}

const EXPIRES = "2035-01-01T00:00:00Z";

/** Starts them; each returns these keys with the session token `SESSION`. */
export function startAwsEndpoints(keys: { accessKey: string; secretKey: string }): AwsEndpoints {
  const asked: AskedOfAws[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname: path } = new URL(request.url);
    const body = await request.text();
    asked.push({ method: request.method, path, headers: request.headers, body });
    switch (path) {
      case "/":
        return sts(body, keys);
      case "/federation/credentials":
        return json({
          roleCredentials: {
            accessKeyId: keys.accessKey,
            secretAccessKey: keys.secretKey,
            sessionToken: "SESSION",
            expiration: Date.parse(EXPIRES),
          },
        });
      case "/latest/api/token":
        return request.method === "PUT" ? new Response("IMDS-TOKEN") : new Response(null, { status: 405 });
      case "/latest/meta-data/iam/security-credentials/":
        return imds(request) ?? new Response("node-role");
      case "/latest/meta-data/iam/security-credentials/node-role":
        return imds(request) ?? json({ Code: "Success", ...container(keys) });
      case "/container":
        return request.headers.get("authorization") === "CONTAINER-TOKEN"
          ? json(container(keys))
          : new Response(null, { status: 403 });
      default:
        return new Response(null, { status: 404 });
    }
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function sts(asked: string, { accessKey, secretKey }: { accessKey: string; secretKey: string }): Response {
  const action = new URLSearchParams(asked).get("Action") ?? "";
  const credentials =
    `<Credentials><AccessKeyId>${accessKey}</AccessKeyId><SecretAccessKey>${secretKey}</SecretAccessKey>` +
    `<SessionToken>SESSION</SessionToken><Expiration>${EXPIRES}</Expiration></Credentials>`;
  const xml =
    `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${credentials}</${action}Result>` +
    `</${action}Response>`;
  return new Response(xml, { headers: { "content-type": "text/xml" } });
}

/** Version 2 of the instance metadata service requires its token in every request. */
function imds(request: Request): Response | null {
  return request.headers.get("x-aws-ec2-metadata-token") === "IMDS-TOKEN"
    ? null
    : new Response(null, { status: 401 });
}

function container({ accessKey, secretKey }: { accessKey: string; secretKey: string }) {
  return {
    AccessKeyId: accessKey,
    SecretAccessKey: secretKey,
    Token: "SESSION",
    Expiration: EXPIRES,
    LastUpdated: "2025-01-01T00:00:00Z",
    Type: "AWS-HMAC",
  };
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value), { headers: { "content-type": "application/json" } });
}
