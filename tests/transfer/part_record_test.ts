import { assertEquals } from "@std/assert";
import {
  closedLine,
  flushedLine,
  openLine,
  readRecord,
  wroteLine,
} from "../../src/transfer/large/part_record.ts";
import { rangeBytes } from "../../src/transfer/ranges.ts";

const BINDING = { revision: "c0ffee", etag: "abc", size: 1000 };
const WRITER = { host: "a", pid: 7, boot: 1_700_000_000, process: null };
const REBOOTED = { ...WRITER, boot: WRITER.boot + 60 };

Deno.test("written bytes count until the machine restarts, flushed bytes count always", () => {
  const text = openLine(BINDING, WRITER) + wroteLine({ start: 0, end: 100 }) +
    flushedLine({ start: 0, end: 50 });
  assertEquals(readRecord(text, { ...WRITER, pid: 99 })?.done, [{ start: 0, end: 100 }]);
  assertEquals(readRecord(text, REBOOTED)?.done, [{ start: 0, end: 50 }]);
  assertEquals(readRecord(text, { ...WRITER, host: "b" })?.done, [{ start: 0, end: 50 }]);
});

Deno.test("a record truncated anywhere claims only its complete lines", () => {
  const text = openLine(BINDING, WRITER) + wroteLine({ start: 0, end: 100 }) +
    wroteLine({ start: 100, end: 900 });
  const head = openLine(BINDING, WRITER).length;
  for (let cut = 0; cut <= text.length; cut++) {
    const record = readRecord(text.slice(0, cut), WRITER);
    const lines = text.slice(head, cut).split("\n").length - 1;
    if (cut < head) assertEquals(record, null);
    else assertEquals(rangeBytes(record?.done ?? []), [0, 100, 900][lines], `cut at ${cut}`);
  }
});

Deno.test("a damaged byte anywhere never adds a claim", () => {
  const text = openLine(BINDING, WRITER) + flushedLine({ start: 0, end: 10 }) +
    flushedLine({ start: 500, end: 510 });
  for (let at = 0; at < text.length; at++) {
    const damaged = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
    const record = readRecord(damaged, WRITER);
    if (record === null) continue;
    assertEquals(record.binding, BINDING);
    assertEquals([0, 10].includes(rangeBytes(record.done)), true, `damaged at ${at}`);
  }
});

Deno.test("ranges beyond the file are ignored", () => {
  const text = openLine(BINDING, WRITER) + flushedLine({ start: 0, end: 1001 }) +
    flushedLine({ start: 5, end: 5 });
  assertEquals(readRecord(text, WRITER)?.done, []);
});

Deno.test("a record shows whether its writer closed it", () => {
  const text = openLine(BINDING, WRITER) + wroteLine({ start: 0, end: 1 });
  assertEquals(readRecord(text, WRITER)?.closed, false);
  assertEquals(readRecord(text + closedLine(), WRITER)?.closed, true);
});

Deno.test("text that is not a record is rejected", () => {
  for (const text of ["", "\n", "hello\n", "00000000 open {}\n", `${"0".repeat(8)} closed\n`]) {
    assertEquals(readRecord(text, WRITER), null);
  }
});

Deno.test("a record keeps its writer, with or without a process identity", () => {
  const process = { bootId: "b", namespace: "pid:[1]", started: 7 };
  for (const writer of [WRITER, { ...WRITER, process }]) {
    assertEquals(readRecord(openLine(BINDING, writer), WRITER)?.writer, writer);
  }
});
