// Downloads with Hugging Face's client for JavaScript:
//   deno run -P tests/bench/snapshot.ts HUB MODEL DIRECTORY
import { snapshotDownload } from "@huggingface/hub";

const [hubUrl = "", repo = "", cacheDir = ""] = Deno.args;
await snapshotDownload({ repo, cacheDir, hubUrl });
