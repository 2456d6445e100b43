import { type FilesBelow, filesBelow } from "../os/files_below.ts";
import { makeDirectories } from "../os/make_directories.ts";
import type { Manifest, ManifestFile } from "../sources/manifest.ts";
import { adoptFiles } from "./adopt_files.ts";
import { listFiles } from "./files.ts";
import { FinishedLog } from "./finished_files.ts";
import { AIM_FOLDER, below, isAside } from "./layout.ts";
import type { RecordedFile } from "./record.ts";
import type { PlacementPlan } from "./types.ts";

/** What both layouts share: a directory that belongs to one model. */
export abstract class ModelDirectory {
  readonly name: string;
  readonly root: string;
  readonly directory: string;

  constructor(name: string, root: string, directory: string) {
    this.name = name;
    this.root = root;
    this.directory = directory;
  }

  secure(): void {
    this.makeFolders([AIM_FOLDER]);
  }

  log({ source }: Manifest): FinishedLog {
    return new FinishedLog(this.files, this.directory, source);
  }

  protected get files(): FilesBelow {
    return filesBelow(this.root);
  }

  /** The absolute path of a file or folder of the model. */
  protected at(path: string): string {
    return below(this.directory, path);
  }

  protected makeFolders(folders: Iterable<string>): void {
    makeDirectories(this.root, [...folders].map((folder) => this.at(folder)));
  }

  /** Recorded files that the manifest does not list and that are still in a folder with their size. */
  protected async othersIn<File extends Pick<RecordedFile, "path" | "size">>(
    folder: string,
    recorded: readonly File[],
    { files }: Manifest,
  ): Promise<File[]> {
    const own = new Set<string>(files.map(({ path }) => path));
    const others = recorded.filter(({ path }) => !own.has(path));
    if (others.length === 0) return [];
    const sizes = await listFiles(folder, { skip: isAside });
    return others.filter(({ path, size }) => sizes.get(path) === size);
  }

  /** Takes files from the other layout. Returns the plan for the rest, and the paths of the files taken. */
  protected async adopt(
    plan: PlacementPlan,
    candidates: (file: ManifestFile) => readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<{ plan: PlacementPlan; adopted: ReadonlyMap<string, string> }> {
    const adopted = await adoptFiles(this.files, plan.items, candidates, signal);
    const [rest, taken] = [false, true].map((is) =>
      plan.items.filter(({ file }) => adopted.has(file.path) === is)
    );
    const present = [...plan.present, ...(taken ?? []).map(({ file }) => file)];
    return { plan: { ...plan, items: rest ?? [], present }, adopted };
  }
}
