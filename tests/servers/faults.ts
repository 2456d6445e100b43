import { seededRandom } from "./content.ts";

/** A request as a test server received it, for assertions. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  /** Server part: `api`, `resolve`, `cdn` (second origin) of a hub; `list`, `object`, `write` of S3. */
  readonly role: Role;
  /** The file in the model, or the object's key; null if the request is not for a single one. */
  readonly file: string | null;
  /** The `Range` header. */
  readonly range: string | null;
  /** Whether there was an `Authorization` header. */
  readonly authorized: boolean;
  readonly headers: Headers;
  /** Number of the connection, from 1; requests on the same connection have the same number. */
  readonly connection: number;
  /** Milliseconds since the server started. */
  readonly at: number;
  /** Status sent; 0 before that. */
  status: number;
  /** Bytes of the body passed to the system so far. */
  sent: number;
  /** Kinds of the faults that were applied to this request. */
  readonly faults: Fault["kind"][];
}

export type Role = "api" | "resolve" | "cdn" | "list" | "object" | "write";

/** Requests that a fault applies to. By default, all that read files: GET of `resolve`, `cdn`, `object`. */
interface Aim {
  readonly roles?: readonly Role[];
  /** The path of the file in the model, or the end of an object's key. */
  readonly file?: string;
  /** @default {"GET"} */
  readonly method?: string;
  /** An additional condition. */
  readonly match?: (request: SeenRequest) => boolean;
  /** Share of those requests, drawn with the server's seed. @default {1} */
  readonly fraction?: number;
  /** Maximum number of requests. @default {Infinity} */
  readonly times?: number;
  /** Number of requests so far; set by the server. */
  hits?: number;
}

/** A fault. It can be added to a server or removed at any time; several can apply to a request. */
export type Fault =
  & Aim
  & (
    /** Answers with this status; `retryAfter` is in seconds, or the header's text. */
    | { readonly kind: "status"; readonly status: number; readonly retryAfter?: number | string }
    /**
     * Closes the connection (FIN) after this many bytes of bodies; `Content-Length` stays the full length.
     */
    | { readonly kind: "cut"; readonly after: number }
    /** Goes silent with an open connection: before the response, or after this many bytes of the body. */
    | { readonly kind: "stall"; readonly after: "request" | number }
    /** Waits before the response, in milliseconds. */
    | { readonly kind: "latency"; readonly ms: number }
    /** Sends at most this many bytes per second, per connection. */
    | { readonly kind: "slow"; readonly rate: number }
    /** Inverts the lowest bit of the byte at this offset; applies only to requests for that byte. */
    | { readonly kind: "flip"; readonly offset: number }
    /** Drops the last bytes; with `declared: false`, `Content-Length` is reduced as well. */
    | { readonly kind: "truncate"; readonly bytes: number; readonly declared?: boolean }
    /** Answers a range request with 200 and the complete file. */
    | { readonly kind: "ignore-range" }
    /** Sends this `Content-Range`, or none, with the correct body; `{shift}` moves both ends. */
    | { readonly kind: "content-range"; readonly value: string | null | { readonly shift: number } }
    /** Adds this number, which may be negative, to `Content-Length`; closes the connection after the body. */
    | { readonly kind: "content-length"; readonly delta: number }
    /** The signed URL has expired (403, as the CDN sends it); role `cdn` only. */
    | { readonly kind: "expired" }
  );

export type FaultOf<Kind extends Fault["kind"]> = Extract<Fault, { readonly kind: Kind }>;

/** Selects the faults that apply to a request, and counts them. */
export class FaultDraw {
  readonly #faults: readonly Fault[];
  readonly #random: () => number;

  constructor(faults: readonly Fault[], seed: number) {
    this.#faults = faults;
    this.#random = seededRandom(seed);
  }

  /** The first fault of this kind that applies and meets the condition. */
  take<Kind extends Fault["kind"]>(
    kind: Kind,
    request: SeenRequest,
    condition: (fault: FaultOf<Kind>) => boolean = () => true,
  ): FaultOf<Kind> | null {
    for (const fault of this.#faults) {
      if (fault.kind !== kind || !aimedAt(fault, request)) continue;
      const typed = fault as FaultOf<Kind>;
      if ((fault.hits ?? 0) >= (fault.times ?? Infinity) || !condition(typed)) continue;
      if (fault.fraction !== undefined && this.#random() >= fault.fraction) continue;
      fault.hits = (fault.hits ?? 0) + 1;
      request.faults.push(kind);
      return typed;
    }
    return null;
  }
}

const DATA: readonly Role[] = ["resolve", "cdn", "object"];

function aimedAt(fault: Fault, request: SeenRequest): boolean {
  const roles = fault.roles ?? (fault.kind === "expired" ? ["cdn"] : DATA);
  if (!roles.includes(request.role)) return false;
  if (request.method !== (fault.method ?? "GET")) return false;
  if (fault.file !== undefined && request.file !== fault.file && !request.file?.endsWith(`/${fault.file}`)) {
    return false;
  }
  return fault.match?.(request) ?? true;
}
