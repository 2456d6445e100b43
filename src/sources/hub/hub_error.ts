import { AimError } from "../../errors/aim_error.ts";
import { SourceChangedError, type TransientError } from "../source.ts";
import { askedWait } from "../transport/asked_wait.ts";
import { passingFault } from "../transport/passing_fault.ts";
import { isTransientStatus } from "../transport/transport.ts";

/** A request to the hub. */
export interface HubQuestion {
  /** `HF_ENDPOINT` without a slash at the end. */
  readonly endpoint: string;
  readonly id: string;
  readonly revision: string;
  /** The file to read; `null` for metadata. */
  readonly path: string | null;
  /** Whether a token was sent. */
  readonly token: boolean;
}

/** The parts of an answer that say what went wrong. */
interface HubRefusal {
  readonly status: number;
  readonly headers: Pick<Headers, "get">;
  /** `error` or `message` of a JSON body. */
  readonly message: string | null;
}

/**
 * What the hub's refusal means. The hub names the reason in `X-Error-Code`; a 401 alone is ambiguous, since the
 * hub also sends it to everyone without a token who asks for something that does not exist (huggingface_hub's
 * `hf_raise_for_status` does the same). The words in brackets are that client's: people search for them, and
 * AIM Engine sorts failures by them.
 */
export function hubError(
  refusal: HubRefusal,
  question: HubQuestion,
  now: number = Date.now(),
): AimError | TransientError | SourceChangedError {
  const { status, headers } = refusal;
  const { endpoint, id, revision, path, token } = question;
  const model = `hf://${id}`;
  const page = `${endpoint}/${id}`;
  const host = new URL(endpoint).host;
  const said = serverText(headers.get("x-error-message") ?? refusal.message);
  const quoted = said === "" ? "" : `: ${JSON.stringify(said)}`;
  const code = headers.get("x-error-code");
  const unauthorized = (message: string, hint: string) => new AimError("unauthorized", message, { hint });
  const notFound = (message: string, hint: string) => new AimError("not-found", message, { hint });

  if (isTransientStatus(status)) return passingFault(status, host, path, askedWait(headers, now));
  if (code === "GatedRepo") {
    const why = `is gated and ${token ? "the token has no access to it" : "no token is set"}`;
    const then = token ? "" : ", then set HF_TOKEN";
    return unauthorized(
      `${model} ${why} (Cannot access gated repo, ${status})`,
      `ask for access at ${page}${then}`,
    );
  }
  if (code === "RevisionNotFound") {
    const message = `${model} has no revision ${JSON.stringify(revision)} (Revision Not Found, ${status})`;
    return notFound(message, `look for branches and tags at ${page}/tree/main`);
  }
  if (code === "EntryNotFound" && path !== null) {
    return new SourceChangedError(path, `${path} is no longer at ${revision} of ${model}`);
  }
  if (code === "DisabledRepo" || /access to this resource is disabled/i.test(said)) {
    const words = `Access to this resource is disabled, ${status}`;
    return unauthorized(`${model} is disabled on ${host} (${words})`, `see ${page}`);
  }
  if (code === "RepoNotFound") {
    const scope = token ? " that the token may see" : "";
    const hint = token
      ? "check the name, and the token's access if the model is private"
      : "check the name; if the model is private, set HF_TOKEN";
    return notFound(`${host} has no model ${id}${scope} (Repository Not Found, ${status})`, hint);
  }
  if (status === 404) {
    const hint = "check the name and the path in HF_ENDPOINT: a hub would have given a reason";
    return notFound(`${host} does not have ${path ?? model}${quoted} (Not Found, 404)`, hint);
  }
  if (status === 401) {
    const words = "401 Unauthorized, huggingface authentication failed";
    return token
      ? unauthorized(
        `${host} rejects the token${quoted} (${words})`,
        `set HF_TOKEN to a valid token (see ${endpoint}/settings/tokens)`,
      )
      : unauthorized(`${model} needs a token and none is set (${words})`, "check the name, or set HF_TOKEN");
  }
  if (status === 403) {
    const words = "403 Forbidden, huggingface authentication failed";
    const hint = token ? "check the token's permissions" : "set HF_TOKEN";
    return unauthorized(`${host} refuses ${model}${quoted} (${words})`, hint);
  }
  if (status === 416 && path !== null) return new SourceChangedError(path, `${path} is shorter than it was`);
  const what = `${host} does not answer for ${path ?? model}${quoted}`;
  return new AimError("network", `${what} (status ${status})`, { hint: "check HF_ENDPOINT" });
}

/** A server's own words, short and on one line. */
export function serverText(text: string | null): string {
  // deno-lint-ignore no-control-regex
  return (text ?? "").replace(/[\x00-\x1f\x7f]+/g, " ").trim().slice(0, 200);
}
