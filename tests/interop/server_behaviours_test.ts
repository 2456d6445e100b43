import { assertEquals, assertRejects } from "@std/assert";
import { BEHAVIOURS } from "../servers/behaviours/behaviours.ts";
import { SERVERS } from "../servers/behaviours/servers.ts";

const README = new URL("../servers/README.md", import.meta.url);
/** Write the results into the README instead of comparing them. */
const WRITE = Deno.env.get("AIM_TEST_WRITE_TABLE") === "1";
const BEGIN = "<!-- behaviours: written by server_behaviours_test.ts with AIM_TEST_WRITE_TABLE=1 -->";
const END = "<!-- /behaviours -->";

const written = tableOf(Deno.readTextFileSync(README));

for (const row of SERVERS) {
  const started = await row.start().catch((error: unknown) => ({ error }));
  const name = `${row.name} behaves as in the README's table`;
  if ("skip" in started) {
    Deno.test({ name: `${name} (skipped: ${started.skip})`, ignore: true, fn: () => {} });
    continue;
  }
  Deno.test(name, async (t) => {
    if ("error" in started) throw started.error;
    await using subject = started;
    const results = new Map<string, string>();
    for (const behaviour of BEHAVIOURS) {
      await t.step(behaviour.name, async () => {
        const limit = row.limits?.[behaviour.name];
        if (limit !== undefined) await assertRejects(() => behaviour.try(subject));
        const result = limit ?? await behaviour.try(subject);
        results.set(behaviour.name, result);
        if (!WRITE) assertEquals(result, written.get(row.name)?.get(behaviour.name));
      });
    }
    if (WRITE) written.set(row.name, results);
    if (WRITE) await writeTable();
  });
}

function tableOf(text: string): Map<string, Map<string, string>> {
  const lines = text.slice(text.indexOf(BEGIN), text.indexOf(END)).split("\n").filter((line) =>
    line.startsWith("|")
  );
  const cells = (line: string) => line.split("|").slice(1, -1).map((cell) => cell.trim());
  const [head = [], , ...rows] = lines.map(cells);
  return new Map(rows.map(([server = "", ...values]) => [
    server.replaceAll("`", ""),
    new Map(values.map((value, i) => [head[i + 1] ?? "", value])),
  ]));
}

async function writeTable(): Promise<void> {
  const text = await Deno.readTextFile(README);
  const columns = BEHAVIOURS.map(({ name }) => name);
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rows = SERVERS.map(({ name }) =>
    row([name, ...columns.map((column) => written.get(name)?.get(column) ?? "")])
  );
  const table = [row(["server", ...columns]), row(["server", ...columns].map(() => "---")), ...rows];
  const legend = BEHAVIOURS.map(({ name, says }) => `- **${name}**: ${says}`);
  const block = [BEGIN, "", ...table, "", ...legend, ""].join("\n");
  await Deno.writeTextFile(
    README,
    text.slice(0, text.indexOf(BEGIN)) + block + "\n" + text.slice(text.indexOf(END)),
  );
}
