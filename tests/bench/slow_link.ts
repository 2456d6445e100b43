// A TCP relay that adds the delay of a long link, like the kernel's netem.
//   deno run -P tests/bench/slow_link.ts PORT_OF_SERVER   prints its own port
/** Round trip in milliseconds. */
const ROUND_TRIP = 100;
/** Maximum bytes in flight per connection: Linux's default maximum window (half of a 6 MiB buffer). */
const WINDOW = 3 * 2 ** 20;
/** Initial bytes in flight (RFC 6928), doubled each round trip up to the window (slow start). */
const FIRST_WINDOW = 14_600;
const PIECE = 256 * 1024;

if (import.meta.main) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  console.log(listener.addr.port);
  for await (const client of listener) void relay(client, Number(Deno.args[0])).catch(() => {});
}

async function relay(client: Deno.Conn, port: number): Promise<void> {
  using server = await Deno.connect({ hostname: "127.0.0.1", port });
  // The handshake takes a round trip before the first byte of a request is sent.
  const started = performance.now();
  await Promise.race([
    carry(client, server, () => Math.max(0, started + ROUND_TRIP - performance.now())),
    carry(server, client, () => 0),
  ]);
  close(client);
}

/** Forwards bytes in one direction with half a round trip of delay and at most one window in flight. */
async function carry(from: Deno.Conn, to: Deno.Conn, wait: () => number): Promise<void> {
  let window = FIRST_WINDOW;
  let underWay = 0;
  let room = Promise.withResolvers<void>();
  let delivered: Promise<unknown> = Promise.resolve();
  for (;;) {
    while (underWay >= window) {
      room = Promise.withResolvers();
      await room.promise;
    }
    const piece = new Uint8Array(Math.min(PIECE, Math.ceil(window - underWay)));
    const count = await from.read(piece);
    if (count === null) return void await delivered;
    underWay += count;
    const due = performance.now() + wait() + ROUND_TRIP / 2;
    delivered = delivered.then(async () => {
      await until(due);
      for (let sent = 0; sent < count;) sent += await to.write(piece.subarray(sent, count));
      // The acknowledgement takes the other half.
      void until(performance.now() + ROUND_TRIP / 2).then(() => {
        underWay -= count;
        window = Math.min(WINDOW, window + count);
        room.resolve();
      });
    });
    // The receiver closed the connection.
    delivered.catch(() => close(from));
  }
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch { /* closed already */ }
}

function until(due: number): Promise<void> {
  const left = due - performance.now();
  return left <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, left));
}
