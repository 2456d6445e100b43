import type { ListedFolder } from "../cache/list_models.ts";
import { kernelFiles } from "../os/kernel_files.ts";

/** A process whose command line names a model. */
export interface ServingProcess {
  readonly pid: number;
  readonly words: readonly string[];
}

/** Processes with a `--model`, of those that this container can see. */
export function servingProcesses(files = kernelFiles()): ServingProcess[] {
  const names = files.list("/proc");
  if (names.kind !== "ok") return [];
  return names.value.filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const text = files.text(`/proc/${name}/cmdline`);
    const words = text.kind === "ok" ? text.value.split("\0") : [];
    return words.some((word) => /^--model(?:=|$)/.test(word)) ? [{ pid: Number(name), words }] : [];
  });
}

/** `process 7` where one of them serves a model; `null` where none does. */
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
