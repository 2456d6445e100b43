const PATIENCE = 60_000;

/**
 * Waits until a server that was just started answers a URL with 200.
 *
 * @param ended Settles if the server's process ends.
 * @throws {Error} if it ended, or did not answer within a minute.
 */
export async function listening(url: string, ended: Promise<Deno.CommandStatus>): Promise<void> {
  let code: number | null = null;
  ended.then((status) => code = status.code);
  for (const until = Date.now() + PATIENCE; Date.now() < until;) {
    if (code !== null) throw new Error(`the server of ${url} ended with ${code}`);
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
      await response.body?.cancel();
      if (response.ok) return;
    } catch { /* not yet */ }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${url} does not answer`);
}
