import { seededRandom } from "./content.ts";

/** A request as a test server saw it; kept for assertions. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  /**
   * Which of the server's sides was asked: `api` and `resolve` of a hub, `cdn` its second origin; `list`,
   * `object`, `write` of S3.
   */
  readonly role: Role;
  /** The file in the model, or the object's key; null where no single one is meant. */
  readonly file: string | null;
  /** The `Range` header. */
  readonly range: string | null;
  /** Whether there was an `Authorization` header. */
  readonly authorized: boolean;
  readonly headers: Headers;
  /** Counts connections of this server from 1: requests with the same number shared one. */
  readonly connection: number;
  /** Milliseconds since the server started. */
  readonly at: number;
  /** Status sent; 0 while none was. */
  status: number;
  /** Bytes of body handed to the system so far. */
  sent: number;
  /** Kinds of the faults that hit this request. */
  readonly faults: Fault["kind"][];
}

export type Role = "api" | "resolve" | "cdn" | "list" | "object" | "write";

/**
 * Which requests a fault hits. By default all that read bytes of files: `resolve`, `cdn` and `object`, method
 * GET.
 */
interface Aim {
  readonly roles?: readonly Role[];
  /** The path of the file in the model, or the end of an object's key. */
  readonly file?: string;
  /** @default {"GET"} */
  readonly method?: string;
  /** Any further condition. */
  readonly match?: (request: SeenRequest) => boolean;
  /** Share of those requests, drawn with the server's seed. @default {1} */
  readonly fraction?: number;
  /** How often at most. @default {Infinity} */
  readonly times?: number;
  /** How often it hit so far; kept by the server. */
  hits?: number;
}

/**
 * One way to misbehave. Put into, or taken out of, a server's `faults` at any time; several may hit one
 * request.
 */
export type Fault =
  & Aim
  & (
    /** Answers with this status instead, `Retry-After` in seconds (or as given). */
    | { readonly kind: "status"; readonly status: number; readonly retryAfter?: number | string }
    /**
     * Closes the connection (FIN) once it has carried this many bytes of bodies; the declared length is the
     * full one.
     */
    | { readonly kind: "cut"; readonly after: number }
    /** Goes silent, connection open: before any answer, or after so many bytes of the body. */
    | { readonly kind: "stall"; readonly after: "request" | number }
    /** Waits before the answer, in milliseconds. */
    | { readonly kind: "latency"; readonly ms: number }
    /** Sends no faster than this many bytes a second, on each connection. */
    | { readonly kind: "slow"; readonly rate: number }
    /**
     * Inverts the lowest bit of the byte at this offset of the file; a request without that byte is not hit.
     */
    | { readonly kind: "flip"; readonly offset: number }
    /**
     * Leaves out the last bytes: `declared: false` also says so in `Content-Length`, so that only the count
     * shows it.
     */
    | { readonly kind: "truncate"; readonly bytes: number; readonly declared?: boolean }
    /** Answers a ranged request with 200 and all of the file. */
    | { readonly kind: "ignore-range" }
    /** Sends this `Content-Range`, or none, with a body that is right; `{shift}` moves both ends. */
    | { readonly kind: "content-range"; readonly value: string | null | { readonly shift: number } }
    /**
     * Adds this many (or takes away, negative) to `Content-Length`; the connection is closed after the body.
     */
    | { readonly kind: "content-length"; readonly delta: number }
    /** The signed address has expired (403, as the CDN says it); roles `cdn` only. */
    | { readonly kind: "expired" }
  );

export type FaultOf<Kind extends Fault["kind"]> = Extract<Fault, { readonly kind: Kind }>;

/** Draws from a list of faults those that hit a request, and counts them. */
export class FaultDraw {
  readonly #faults: readonly Fault[];
  readonly #random: () => number;

  constructor(faults: readonly Fault[], seed: number) {
    this.#faults = faults;
    this.#random = seededRandom(seed);
  }

  /** The first fault of that kind that hits, if its condition is true. */
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
