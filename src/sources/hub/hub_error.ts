import { AimError } from "../../errors/aim_error.ts";
import { SourceChangedError, type TransientError } from "../source.ts";
import { askedWait } from "../transport/asked_wait.ts";
import { passingFault } from "../transport/passing_fault.ts";
import { isTransientStatus } from "../transport/transport.ts";

/** What was asked of the hub. */
export interface HubQuestion {
  /** `HF_ENDPOINT` without a slash at the end. */
  readonly endpoint: string;
  readonly id: string;
  readonly revision: string;
  /** The file that was to be read; `null` for metadata. */
  readonly path: string | null;
  /** Whether a token was sent along. */
  readonly token: boolean;
}

/** The parts of an answer that say what went wrong. */
export interface HubRefusal {
  readonly status: number;
  readonly headers: Pick<Headers, "get">;
  /** `error` or `message` of a JSON body. */
  readonly message: string | null;
}

/**
 * What the hub's refusal means. The hub names the reason in `X-Error-Code`; a 401 alone says little, as it is
 * also the answer to everyone without a token for what does not exist (huggingface_hub's
 * `hf_raise_for_status` reads them the same way). The words in brackets are that client's: people search for
 * them, and AIM Engine sorts failures by them.
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
  const code = headers.get("x-error-code");
  const error = (
    kind: "unauthorized" | "not-found" | "network",
    message: string,
    source: string,
    hint: string,
  ) => new AimError(kind, `${message} (${source})`, { hint });

  if (isTransientStatus(status)) {
    return passingFault(status, host, path, askedWait(headers, now));
  }
  if (code === "GatedRepo") {
    const source = `Cannot access gated repo, ${status}`;
    return token
      ? error(
        "unauthorized",
        `${model} is gated and the token has no access to it`,
        source,
        `ask for access at ${page}`,
      )
      : error(
        "unauthorized",
        `${model} is gated and no token is set`,
        source,
        `ask for access at ${page}, then set HF_TOKEN`,
      );
  }
  if (code === "RevisionNotFound") {
    return error(
      "not-found",
      `${model} has no revision ${JSON.stringify(revision)}`,
      `Revision Not Found, ${status}`,
      `look for branches and tags at ${page}/tree/main`,
    );
  }
  if (code === "EntryNotFound" && path !== null) {
    return new SourceChangedError(path, `${path} is no longer at ${revision} of ${model}`);
  }
  if (code === "DisabledRepo" || /access to this resource is disabled/i.test(said)) {
    return error(
      "unauthorized",
      `${model} is disabled on ${host}`,
      `Access to this resource is disabled, ${status}`,
      `see ${page}`,
    );
  }
  if (code === "RepoNotFound") {
    return error(
      "not-found",
      `${host} has no model ${id}${token ? " that the token may see" : ""}`,
      `Repository Not Found, ${status}`,
      token
        ? "check the name, and the token's access if the model is private"
        : "check the name; if the model is private, set HF_TOKEN",
    );
  }
  if (status === 404) {
    return error(
      "not-found",
      `${host} does not have ${path ?? model}${quoted(said)}`,
      "Not Found, 404",
      "check the name and the path in HF_ENDPOINT: a hub would have given a reason",
    );
  }
  if (status === 401) {
    const source = "401 Unauthorized, huggingface authentication failed";
    return token
      ? error(
        "unauthorized",
        `${host} rejects the token${quoted(said)}`,
        source,
        `set HF_TOKEN to a valid token (see ${endpoint}/settings/tokens)`,
      )
      : error(
        "unauthorized",
        `${model} needs a token and none is set`,
        source,
        "check the name, or set HF_TOKEN",
      );
  }
  if (status === 403) {
    return error(
      "unauthorized",
      `${host} refuses ${model}${quoted(said)}`,
      "403 Forbidden, huggingface authentication failed",
      token ? "check the token's permissions" : "set HF_TOKEN",
    );
  }
  if (status === 416 && path !== null) {
    return new SourceChangedError(path, `${path} is shorter than it was`);
  }
  return error(
    "network",
    `${host} does not answer for ${path ?? model}${quoted(said)}`,
    `status ${status}`,
    "check HF_ENDPOINT",
  );
}

function quoted(text: string): string {
  return text === "" ? "" : `: ${JSON.stringify(text)}`;
}

/** A server's own words, short and on one line. */
export function serverText(text: string | null): string {
  // deno-lint-ignore no-control-regex
  return (text ?? "").replace(/[\x00-\x1f\x7f]+/g, " ").trim().slice(0, 200);
}
