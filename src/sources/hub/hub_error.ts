import { AimError } from "../../errors/aim_error.ts";
import type { ErrorKind } from "../../errors/exit_codes.ts";
import { SourceChangedError } from "../source.ts";
import { isTransientStatus, passingFault } from "../transport/passing_fault.ts";
import { discard, readStart } from "../transport/read_bounded.ts";

/** A request to a hub about a model. */
export interface HubQuestion {
  /** The hub's address, without a slash at the end. */
  readonly endpoint: string;
  readonly id: string;
  readonly revision: string;
  /** The file to read; `null` for metadata. */
  readonly path: string | null;
  /** Whether a token was sent. */
  readonly token: boolean;
  /** False for the target of a redirect elsewhere. */
  readonly owned: boolean;
}

/**
 * The error for a refusal, chosen by the hub's `X-Error-Code` like huggingface_hub's `hf_raise_for_status`. A
 * 401 without a code may also mean that the model does not exist. The words in brackets are that client's:
 * people search for them, and AIM Engine classifies failures by them.
 */
export async function hubError(response: Response, question: HubQuestion): Promise<Error> {
  const { status, headers } = response;
  const { endpoint, id, revision, path, token, owned } = question;
  const model = `hf://${id}`;
  const page = `${endpoint}/${id}`;
  const host = new URL(endpoint).host;
  const code = headers.get("x-error-code");
  if (path !== null && code === null && !owned) {
    await discard(response);
    // A signed address has expired: the hub will give a new one.
    if (status !== 416) return passingFault(response, host, path);
  }
  // The body is read in any case, so that its connection can be reused.
  const body = await readStart(response).catch(() => "");
  const inBody = /"(?:error|message)"\s*:\s*"([^"\\]+)/.exec(body)?.[1];
  const said = serverText(headers.get("x-error-message") ?? inBody ?? "");
  const quoted = said === "" ? "" : `: ${JSON.stringify(said)}`;
  const fail = (kind: ErrorKind, message: string, hint: string) => new AimError(kind, message, { hint });

  if (isTransientStatus(status)) return passingFault(response, host, path);
  if (path !== null && status === 416) return new SourceChangedError(`${path} is shorter than it was`);
  if (path !== null && code === "EntryNotFound") {
    return new SourceChangedError(`${path} no longer exists at ${revision} of ${model}`);
  }
  if (code === "GatedRepo") {
    const why = `is gated and ${token ? "the token has no access to it" : "no token is set"}`;
    const message = `${model} ${why} (Cannot access gated repo, ${status})`;
    return fail("unauthorized", message, `ask for access at ${page}${token ? "" : ", then set HF_TOKEN"}`);
  }
  if (code === "RevisionNotFound") {
    const message = `${model} has no revision ${JSON.stringify(revision)} (Revision Not Found, ${status})`;
    return fail("not-found", message, `look for branches and tags at ${page}/tree/main`);
  }
  if (code === "DisabledRepo" || /access to this resource is disabled/i.test(said)) {
    const message = `${model} is disabled on ${host} (Access to this resource is disabled, ${status})`;
    return fail("unauthorized", message, `see ${page}`);
  }
  if (code === "RepoNotFound") {
    const message = `${host} has no model ${id}${token ? " that the token can access" : ""}`;
    const hint = token
      ? "check the name, and the token's access if the model is private"
      : "check the name; if the model is private, set HF_TOKEN";
    return fail("not-found", `${message} (Repository Not Found, ${status})`, hint);
  }
  if (status === 403) {
    const message = `${host} refuses ${model}${quoted} (403 Forbidden, huggingface authentication failed)`;
    return fail("unauthorized", message, token ? "check the token's permissions" : "set HF_TOKEN");
  }
  if (status === 401) {
    const message = token ? `${host} rejects the token${quoted}` : `${model} needs a token and none is set`;
    const hint = token
      ? `set HF_TOKEN to a valid token (see ${endpoint}/settings/tokens)`
      : "check the name, or set HF_TOKEN";
    const words = "401 Unauthorized, huggingface authentication failed";
    return fail("unauthorized", `${message} (${words})`, hint);
  }
  if (status === 404) {
    const hint = "check the name and the path in HF_ENDPOINT: a hub would have sent an error code";
    return fail("not-found", `${host} does not have ${path ?? model}${quoted} (Not Found, 404)`, hint);
  }
  const message = `${host} does not serve ${path ?? model}${quoted} (status ${status})`;
  return fail("network", message, "check HF_ENDPOINT");
}

/** A server's own words, short and on one line. */
export function serverText(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f]+/g, " ").trim().slice(0, 200);
}
