import { AimError } from "../../errors/aim_error.ts";
import { SourceChangedError, TransientError } from "../source.ts";
import { parseRetryAfter } from "../transport/retry_after.ts";
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
 * What the hub's refusal means. The hub names the reason in `X-Error-Code`; a 401 alone says little, as it is also the answer to
 * everyone without a token for what does not exist (huggingface_hub's `hf_raise_for_status` reads them the same way).
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

  if (isTransientStatus(status)) {
    const what = status === 429 ? "limits how often it may be asked" : `answers with status ${status}`;
    const retryAfter = parseRetryAfter(headers.get("retry-after"), now);
    return new TransientError(`${host} ${what}${path === null ? "" : ` (${path})`}`, { retryAfter });
  }
  if (code === "GatedRepo") {
    return token
      ? new AimError("unauthorized", `${model} is gated and the token has no access to it`, {
        hint: `ask for access at ${page}`,
      })
      : new AimError("unauthorized", `${model} is gated and no token is set`, {
        hint: `ask for access at ${page}, then set HF_TOKEN`,
      });
  }
  if (code === "RevisionNotFound") {
    return new AimError("not-found", `${model} has no revision ${JSON.stringify(revision)}`, {
      hint: `look for branches and tags at ${page}/tree/main`,
    });
  }
  if (code === "EntryNotFound" && path !== null) {
    return new SourceChangedError(path, `${path} is no longer at ${revision} of ${model}`);
  }
  if (code === "DisabledRepo" || /access to this resource is disabled/i.test(said)) {
    return new AimError("unauthorized", `${model} is disabled on ${host}`, { hint: `see ${page}` });
  }
  if (code === "RepoNotFound" || status === 404) {
    return new AimError("not-found", `${host} has no model ${id}${token ? " that the token may see" : ""}`, {
      hint: token
        ? "check the name, and the token's access if the model is private"
        : "check the name; if the model is private, set HF_TOKEN",
    });
  }
  if (status === 401) {
    return token
      ? new AimError("unauthorized", `${host} rejects the token${quoted(said)}`, {
        hint: `set HF_TOKEN to a valid token (see ${endpoint}/settings/tokens)`,
      })
      : new AimError("unauthorized", `${model} needs a token and none is set`, {
        hint: "check the name, or set HF_TOKEN",
      });
  }
  if (status === 403) {
    return new AimError("unauthorized", `${host} refuses ${model}${quoted(said)}`, {
      hint: token ? "check the token's permissions" : "set HF_TOKEN",
    });
  }
  if (status === 416 && path !== null) {
    return new SourceChangedError(path, `${path} is shorter than it was`);
  }
  return new AimError("network", `${host} answers ${model} with status ${status}${quoted(said)}`, {
    hint: "check HF_ENDPOINT",
  });
}

function quoted(text: string): string {
  return text === "" ? "" : ` (${JSON.stringify(text)})`;
}

/** A server's own words, short and on one line. */
function serverText(text: string | null): string {
  // deno-lint-ignore no-control-regex
  return (text ?? "").replace(/[\x00-\x1f\x7f]+/g, " ").trim().slice(0, 200);
}
