const ROOT = new URL("../../", import.meta.url);

/** The version in deno.json, and git's commit, which is `null` without git or outside of a clone. */
export function sourceVersion(): { version: string; commit: string | null } {
  const { version }: { version: string } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  return { version, commit: gitCommit() };
}

function gitCommit(): string | null {
  try {
    const { success, stdout } = new Deno.Command("git", {
      args: ["-c", "safe.directory=*", "-C", ROOT.pathname, "rev-parse", "HEAD"],
      stderr: "null",
    }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null;
  }
}
