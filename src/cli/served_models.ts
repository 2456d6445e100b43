import type { ListedFolder } from "../cache/list_models.ts";
import { kernelFiles } from "../os/kernel_files.ts";

/** A process with `--model` in its command line. */
export interface ServingProcess {
  readonly pid: number;
  readonly words: readonly string[];
}

/** The visible processes with `--model` in their command lines. */
export function servingProcesses(files = kernelFiles()): ServingProcess[] {
  const names = files.list("/proc");
  if (names.kind !== "ok") return [];
  return names.value.filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const text = files.text(`/proc/${name}/cmdline`);
    const words = text.kind === "ok" ? text.value.split("\0") : [];
    return words.some((word) => /^--model(?:=|$)/.test(word)) ? [{ pid: Number(name), words }] : [];
  });
}

/** Returns a function that names the process that serves a model, such as `process 7`; `null` for none. */
export function serverOf(
  processes: readonly ServingProcess[],
): (folder: Pick<ListedFolder, "name" | "path">) => string | null {
  return ({ name, path }) => {
    const server = processes.find(({ words }) =>
      words.some((word, at) => {
        const model = word.startsWith("--model=") ? word.slice(8) : words[at - 1] === "--model" ? word : null;
        return model !== null && (model === name || model === path || model.startsWith(`${path}/`));
      })
    );
    return server === undefined ? null : `process ${server.pid}`;
  };
}
