// Runs once, from the self-extracting executable: writes the files of `archive` beside it. The archive begins with a line of JSON,
// [[path, size], ...], then come the files' bytes in that order.
const folder = Deno.args[0];
const archive = Deno.readFileSync(`${folder}/archive`);
const end = archive.indexOf(10);
const files = JSON.parse(new TextDecoder().decode(archive.subarray(0, end)));
const folders = new Set(files.map(([path]) => path.slice(0, Math.max(0, path.lastIndexOf("/")))));
for (const path of folders) Deno.mkdirSync(`${folder}/${path}`, { recursive: true });
let at = end + 1;
for (const [path, size] of files) {
  Deno.writeFileSync(`${folder}/${path}`, archive.subarray(at, at += size), { createNew: true });
}
if (at !== archive.length) throw new Error("the archive does not end where its last file does");
