// A TCP proxy that breaks connections, for servers that cannot inject faults themselves (Ceph, nginx), and
// for resets (RST).
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** How the proxy treats connections. Changes apply at once, also to open connections. */
export interface ProxyFaults {
  /** Ends a connection after this many bytes to the client. @default {Infinity} */
  cutAfter: number;
  /** Ends it with a reset (RST) instead of FIN. @default {true} */
  reset: boolean;
  /** Maximum number of connections that are cut. @default {Infinity} */
  cuts: number;
  /** Sends nothing more on a connection after this many bytes, but keeps it open. @default {Infinity} */
  stallAfter: number;
  /** Maximum number of connections that are stalled. @default {Infinity} */
  stalls: number;
  /** Bytes per second to the client, per connection. @default {Infinity} */
  rate: number;
  /** Milliseconds before a connection is passed on to the server. @default {0} */
  latency: number;
  /** Resets new connections at once, as a server that is down. @default {false} */
  down: boolean;
}

export interface FaultProxy extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, or https if the target is. */
  readonly url: string;
  readonly port: number;
  readonly faults: ProxyFaults;
  /** Connections accepted so far. */
  readonly connections: number;
  /** Bytes passed on to clients so far. */
  readonly sent: number;
  /** Resets all open connections. */
  resetAll(): void;
  close(): Promise<void>;
}

/** Starts a proxy in front of a server such as `http://127.0.0.1:9000`. */
export async function startFaultProxy(
  target: string,
  faults: Partial<ProxyFaults> = {},
): Promise<FaultProxy> {
  const { protocol, hostname, port: targetPort } = new URL(target);
  const state = { connections: 0, sent: 0 };
  const rules: ProxyFaults = {
    cutAfter: Infinity,
    reset: true,
    cuts: Infinity,
    stallAfter: Infinity,
    stalls: Infinity,
    rate: Infinity,
    latency: 0,
    down: false,
    ...faults,
  };
  const open = new Set<Socket>();
  const server = createServer((client) => {
    state.connections++;
    client.on("error", () => {});
    if (rules.down) {
      client.resetAndDestroy();
      return;
    }
    open.add(client);
    client.pause();
    const timer = setTimeout(() => join(client, connect(Number(targetPort), hostname)), rules.latency);
    client.on("close", () => {
      clearTimeout(timer);
      open.delete(client);
    });
  });

  const join = (client: Socket, upstream: Socket) => {
    open.add(upstream);
    let carried = 0;
    let stalled = false;
    client.pipe(upstream);
    upstream.on("error", () => client.destroy());
    client.on("error", () => upstream.destroy());
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => {
      open.delete(upstream);
      if (!stalled) client.end();
    });
    upstream.on("data", (data: Uint8Array) => {
      if (stalled) return;
      let piece = data;
      const cut = rules.cuts > 0 && carried + piece.length > rules.cutAfter;
      const stall = !cut && rules.stalls > 0 && carried + piece.length > rules.stallAfter;
      if (cut) piece = piece.subarray(0, Math.max(0, rules.cutAfter - carried));
      if (stall) piece = piece.subarray(0, Math.max(0, rules.stallAfter - carried));
      carried += piece.length;
      state.sent += piece.length;
      const drained = piece.length === 0 || client.write(piece);
      if (cut) {
        rules.cuts--;
        upstream.destroy();
        // Sends pending bytes first: a reset would discard them.
        setTimeout(() => rules.reset ? client.resetAndDestroy() : client.destroy(), 5);
        stalled = true;
        return;
      }
      if (stall) {
        rules.stalls--;
        stalled = true;
        upstream.destroy();
        return;
      }
      if (rules.rate < Infinity) {
        upstream.pause();
        setTimeout(() => upstream.resume(), piece.length / rules.rate * 1000);
      } else if (!drained) {
        upstream.pause();
        client.once("drain", () => upstream.resume());
      }
    });
  };

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      for (const socket of open) socket.destroy();
      server.close(() => resolve());
    });
  return {
    url: `${protocol}//127.0.0.1:${port}`,
    port,
    faults: rules,
    get connections() {
      return state.connections;
    },
    get sent() {
      return state.sent;
    },
    resetAll() {
      for (const socket of open) socket.resetAndDestroy();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
