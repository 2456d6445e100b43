import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { startProgress } from "../../src/cli/progress.ts";
import { progressState } from "../../src/cli/progress_state.ts";
import { describeProgress, renderBar } from "../../src/cli/render_progress.ts";
import { formatBytes, formatDuration } from "../../src/cli/format.ts";
import type { DownloadReport } from "../../src/download/download_report.ts";
import { log } from "../../src/log/logger.ts";
import type { TransferEvent } from "../../src/transfer/types.ts";
import { Screen } from "./screen.ts";

const MIB = 1024 ** 2;
const SUMMARY: DownloadReport = {
  source: "hf://o/m",
  commit: null,
  model: "o/m",
  layout: "local",
  provenBySize: 0,
  files: 2,
  bytes: 300 * MIB,
  bytesMoved: 200 * MIB,
  bytesPresent: 100 * MIB,
  elapsedMs: 4000,
  path: "/cache/o/m",
};

// Replaces the program's clock and timers.
let time = 0;
const timers = new Set<{ ms: number; due: number; call: () => void }>();
Object.assign(performance, { now: () => time });
Object.assign(globalThis, {
  setInterval(call: () => void, ms: number) {
    const timer = { ms, due: time + ms, call, unref: () => timer };
    timers.add(timer);
    return timer;
  },
  clearInterval: (timer: { ms: number; due: number; call: () => void }) => void timers.delete(timer),
});

/** A progress display on a fake clock and terminal. Log lines have no time and also appear on the screen. */
function harness(mode: string, isTerminal: boolean, width = 80, model?: string) {
  const screen = new Screen(width);
  const logged: string[] = [];
  const written: string[] = [];
  timers.clear();
  const progress = startProgress(
    {
      stderr: {
        isTerminal,
        get width() {
          return screen.width;
        },
      },
      env: {},
      flags: { progress: mode, quiet: false },
      writeError(line) {
        const text = line.replaceAll(/^\S+Z (INFO .*)$/gm, "$1");
        logged.push(
          ...text.split("\n").filter((line) => line.startsWith("INFO ")).map((line) => line.slice(5)),
        );
        written.push(text);
        screen.write(text);
      },
    },
    model === undefined ? {} : { model },
  );
  const wait = (ms: number) => {
    for (const end = time + ms; time < end;) {
      time++;
      for (const timer of timers.values()) {
        if (timer.due === time) [timer.due] = [time + timer.ms, timer.call()];
      }
    }
  };
  return { progress, screen, logged, written, wait };
}

const start = (files: number, bytes: number, bytesPresent = 0) => ({
  type: "start" as const,
  files,
  bytes,
  bytesPresent,
});
const file = (path: string, state: "active" | "verifying" | "done", size: number): TransferEvent => ({
  type: "file",
  path,
  state,
  size,
});
const bytes = (path: string, n: number): TransferEvent => ({ type: "bytes", path, bytes: n });

Deno.test("the bar shows percent, bytes, rate, time left and files, and a line for each active file", () => {
  const { progress, screen, wait } = harness("auto", true);
  progress.onEvent(start(2, 300 * MIB, 100 * MIB));
  progress.onEvent(file("model-00001-of-00002.safetensors", "active", 150 * MIB));
  progress.onEvent(file("config.json", "active", 1024));
  wait(1000);
  progress.onEvent(bytes("model-00001-of-00002.safetensors", 50 * MIB));
  progress.onEvent(bytes("config.json", 1024));
  progress.onEvent(file("config.json", "done", 1024));
  wait(1000);
  assertEquals(screen.lines, [
    "[========>         ]  50%  150 MiB / 300 MiB  25.0 MiB/s  6.0 s left  1/2 files",
    "  model-00001-of-00002.safetensors                   33%  50.0 MiB / 150 MiB",
  ]);
});

Deno.test("the bar is replaced at the end by a one-line summary", () => {
  const { progress, screen, wait } = harness("bar", true);
  progress.onEvent(start(1, MIB));
  progress.onEvent(file("a", "active", MIB));
  progress.onEvent(bytes("a", MIB));
  wait(500);
  progress.onEvent({ type: "end", bytesMoved: MIB, bytesPresent: 0, elapsed: 500 });
  progress.finish(SUMMARY);
  assertEquals(screen.lines, [
    "downloaded 200 MiB in 4.0 s (50.0 MiB/s), 100 MiB already present: /cache/o/m",
  ]);
  assertEquals(timers.size, 0);
});

Deno.test("log lines stay above the bar", () => {
  const { progress, screen, wait } = harness("bar", true);
  progress.onEvent(start(1, MIB));
  wait(200);
  log.warn("something");
  wait(200);
  progress.onEvent({ type: "retry", path: "a", attempt: 2, delay: 1500, reason: "connection reset" });
  assertEquals(screen.lines.slice(0, 2).map((line) => line.replace(/^\S+Z /, "")), [
    "WARNING something",
    "INFO retrying a in 1.5 s (attempt 2): connection reset",
  ]);
  assertEquals(screen.lines.length, 3);
  progress[Symbol.dispose]();
  assertEquals(screen.lines.length, 2);
});

Deno.test("the bar leaves nothing behind, even if the terminal's width changes", () => {
  for (const widths of [[80, 40, 20, 100], [30, 200, 12, 3, 1, 80]]) {
    const { progress, screen, wait } = harness("bar", true, widths[0]);
    progress.onEvent(start(9, 81 * MIB));
    for (let i = 0; i < 9; i++) {
      progress.onEvent(file(`sub/directory/of/model-file-${i}.safetensors`, "active", 9 * MIB));
    }
    for (const [i, width] of widths.entries()) {
      screen.width = width;
      progress.onEvent(bytes(`sub/directory/of/model-file-${i}.safetensors`, 1000));
      wait(300);
      for (const line of screen.lines) assertLessOrEqual(line.length, Math.max(1, width - 1));
      assertEquals(screen.lines.length, 7, "not the bar, five files and a line for the rest");
    }
    progress[Symbol.dispose]();
    assertEquals(screen.lines, []);
  }
});

Deno.test("verification is shown only if it lags behind the transfer", () => {
  const state = progressState(start(2, 2 * MIB), 0);
  const lines = (now: number) => renderBar(state.at(now), 79);
  state.add(file("a", "active", MIB), 0);
  state.add(bytes("a", MIB), 100);
  state.add(file("a", "verifying", MIB), 100);
  assertEquals(lines(200).length, 1);
  assertEquals(lines(1200)[1]?.trim().replace(/ +/g, " "), "a verifying");
  state.add(file("a", "done", MIB), 1300);
  state.add(file("b", "active", MIB), 1300);
  state.add(bytes("b", MIB), 1400);
  state.add(file("b", "verifying", MIB), 1400);
  assertEquals(describeProgress(state.at(3000)), "100%, verifying 1 file, 1/2 files");
  assert(lines(3000)[0]?.includes("100%  verifying 1 file  1/2 files"), lines(3000)[0]);
});

Deno.test("the rate covers the last ten seconds and falls to zero on a stall", () => {
  const state = progressState(start(1, 1000 * MIB), 0);
  for (let second = 1; second <= 30; second++) {
    state.add(bytes("a", (second <= 20 ? 1 : 5) * MIB), second * 1000);
  }
  assertEquals(Math.round(state.at(30_000).rate / MIB), 5);
  assertEquals(state.at(30_000).eta, 930 / 5 * 1000);
  assertEquals([state.at(60_000).rate, state.at(60_000).eta], [0, null]);
});

Deno.test("discarded bytes are subtracted, and 100 % is shown only when all files are complete", () => {
  const state = progressState(start(1, 1000, 0), 0);
  state.add(bytes("a", 999), 1000);
  assert(renderBar(state.at(1000), 79)[0]?.includes(" 99%"));
  state.add(bytes("a", -999), 2000);
  assertEquals(state.at(2000).bytesDone, 0);
  state.add(bytes("a", 1000), 3000);
  assert(renderBar(state.at(3000), 79)[0]?.includes("100%"));
});

Deno.test("without a terminal, progress is a log line at the start, every ten seconds, and at the end", () => {
  const { progress, logged, wait } = harness("auto", false);
  progress.onEvent(start(3, 100 * MIB, 10 * MIB));
  wait(5000);
  progress.onEvent(bytes("a", 20 * MIB));
  wait(6000);
  progress.onEvent({ type: "end", bytesMoved: 0, bytesPresent: 0, elapsed: 1 });
  progress.finish(SUMMARY);
  assertEquals(logged, [
    "downloading 3 files, 100 MiB (10.0 MiB already present)",
    "30%, 30.0 MiB / 100 MiB, 2.00 MiB/s, 35 s left, 0/3 files",
    "downloaded 200 MiB in 4.0 s (50.0 MiB/s), 100 MiB already present: /cache/o/m",
  ]);
  assertEquals(timers.size, 0);
});

Deno.test("JSON progress is one object per line, with a version, in bytes and milliseconds", () => {
  const { progress, written, wait } = harness("json", true);
  progress.onEvent(start(1, 4000, 1000));
  progress.onEvent(file("a", "active", 4000));
  progress.onEvent(bytes("a", 1000));
  wait(1000);
  progress.onEvent({ type: "retry", path: "a", attempt: 2, delay: 10.4, reason: "reset" });
  progress.onEvent({ type: "end", bytesMoved: 0, bytesPresent: 0, elapsed: 1 });
  progress.finish(SUMMARY);
  const lines = written.join("").trimEnd().split("\n").map((l) => JSON.parse(l));
  assertEquals(lines.map((l) => [l.type, l.schemaVersion, l.event]), [
    ["progress", 1, "start"],
    ["progress", 1, "file"],
    ["progress", 1, "progress"],
    ["progress", 1, "retry"],
    ["progress", 1, "end"],
  ]);
  assertEquals(lines[2], {
    type: "progress",
    schemaVersion: 1,
    event: "progress",
    filesDone: 0,
    files: 1,
    bytesDone: 2000,
    bytes: 4000,
    bytesPresent: 1000,
    bytesPerSecond: 1000,
    etaMs: null,
  });
  assertEquals(lines[4].path, "/cache/o/m");
});

Deno.test("mode none writes nothing; mode log reports that there is nothing to download", () => {
  const quiet = harness("none", true);
  quiet.progress.onEvent(start(1, 1));
  quiet.wait(20_000);
  quiet.progress.finish(SUMMARY);
  assertEquals(quiet.written, []);
  const done = harness("log", false);
  done.progress.finish({ ...SUMMARY, bytesMoved: 0 });
  assertEquals(done.logged, ["nothing to download: 2 files, 300 MiB, already at /cache/o/m"]);
});

Deno.test("a file's name cannot write control sequences to the terminal", () => {
  const state = progressState(start(1, 10), 0);
  state.add(file("evil\x1b[2J\r.bin", "active", 10), 0);
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x1f]/.test(renderBar(state.at(10), 79).join("")));
});

Deno.test("sizes and times are written with three digits at most", () => {
  const sizes: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "0.98 KiB"],
    [1024, "1.00 KiB"],
    [10 * 1024, "10.0 KiB"],
    [100 * 1024, "100 KiB"],
    [1024 ** 2 - 1, "1.00 MiB"],
    [148 * 1024 ** 3, "148 GiB"],
  ];
  for (const [n, text] of sizes) assertEquals(formatBytes(n), text);
  const times: [number, string][] = [[0, "0.0 s"], [400, "0.4 s"], [9949, "9.9 s"], [9950, "10 s"], [
    59_400,
    "59 s",
  ], [
    59_600,
    "1:00",
  ], [3_765_000, "1:02:45"]];
  for (const [ms, text] of times) assertEquals(formatDuration(ms), text);
});

Deno.test("the time left is not estimated in the first two seconds", () => {
  const state = progressState(start(1, 100 * MIB), 0);
  state.add(bytes("a", 10 * MIB), 1000);
  assertEquals([state.at(1900).eta, state.at(2000).eta === null], [null, false]);
});

Deno.test("small files are shown as a count; large and slow ones have a line each", () => {
  const state = progressState(start(2000, 2000 * MIB), 0);
  for (let i = 0; i < 16; i++) state.add(file(`part-${i}.json`, "active", 16_384), i === 0 ? 0 : 1500);
  state.add(file("model.safetensors", "active", 900 * MIB), 1500);
  const lines = renderBar(state.at(1600), 79, "org/model");
  assertEquals(lines.map((line) => line.trim().split("  ")[0]), [
    "org/model",
    lines[1]?.trim().split("  ")[0] ?? "",
    "part-0.json",
    "model.safetensors",
    "15 small files",
  ]);
});

Deno.test("a long name is shortened in the middle at every width", () => {
  const state = progressState(start(2, 100 * MIB), 0);
  state.add(file("a/very/long/folder/name/model-00001-of-00191.safetensors", "active", 100 * MIB), 0);
  for (const width of [120, 80, 60, 40]) {
    const [, , line = ""] = renderBar(state.at(10), width, "meta-llama/Llama-3.1-405B-Instruct");
    assert(line.length <= width && line.trim().startsWith("a/"), line);
    assert(line.includes("tensors "), line);
  }
});

Deno.test("a single file at 40 columns keeps the time left and has no line of its own", () => {
  const state = progressState(start(1, 400 * MIB), 0);
  state.add(file("model.safetensors", "active", 400 * MIB), 0);
  state.add(bytes("model.safetensors", 100 * MIB), 4000);
  assertEquals(renderBar(state.at(5000), 39, "org/m"), ["org/m", " 25%  100 MiB / 400 MiB  15 s left"]);
});

Deno.test("after the last byte, the display shows that files are being written to disk", () => {
  const { progress, screen, wait } = harness("bar", true, 120);
  progress.onEvent(start(2000, MIB));
  progress.onEvent({ type: "end", bytesMoved: MIB, bytesPresent: 0, elapsed: 500 });
  wait(200);
  assert(screen.lines[0]?.endsWith("0/2000 files  writing to disk"), screen.lines[0]);
  progress.finish(SUMMARY);
  assertEquals(screen.lines.length, 1);
});

Deno.test("a stopped download reports how much is kept and that the same command resumes it", () => {
  for (const mode of ["bar", "log", "json"]) {
    const { progress, written, wait } = harness(mode, true, 80, "org/model");
    progress.onEvent(start(1, 100 * MIB, 10 * MIB));
    progress.onEvent(bytes("a", 15 * MIB));
    wait(50);
    progress[Symbol.dispose]();
    const said = written.at(-1) ?? "";
    if (mode === "json") {
      assertEquals([JSON.parse(said).event, JSON.parse(said).bytesDone], ["stopped", 25 * MIB]);
    } else assert(said.includes("25.0 MiB of 100 MiB") && said.includes("resumes"), said);
  }
});
