import type { Random } from "./random.ts";

/** Profiles to mutate, in common styles. */
export const SEEDS: readonly string[] = [
  `# A comment
aim_id: org/model
model_id: other/model-FP8
metadata:
  engine: vllm
  gpu: MI300X
  gpu_count: 1
  manual_selection_only: false
  metric: latency
  precision: fp8
  type: optimized
engine_args:
  async-scheduling: null
  compilation-config:
    cudagraph_mode: FULL_AND_PIECEWISE
  gpu-memory-utilization: 0.9
  max-model-len: 32768
  no-enable-prefix-caching:
env_vars:
  HSA_NO_SCRATCH_RECLAIM: '1'
  GPU_ARCHS: gfx942
`,
  `metadata:
    engine: vllm
    gpu: "MI325X"
    gpu_count: 8
    manual_selection_only: no
    metric: throughput
    precision: fp16
    type: general
engine_args:
    dtype: float16
    tensor-parallel-size: 8
    rope-scaling: {type: yarn, factor: 2.0}
env_vars: {A: "1"}
`,
];

const PIECES = [
  ...[
    ": ",
    "\n",
    "  ",
    "- ",
    "# ",
    "'",
    '"',
    "{",
    "}",
    "[",
    "]",
    ", ",
    "&a ",
    "*a",
    "!!str ",
    "|\n  ",
    ">\n  ",
    "\t",
  ],
  ...[
    "~",
    "yes",
    "0x1",
    "1:30",
    "<<: ",
    "? ",
    "---\n",
    "...\n",
    "%",
    "@",
    "`",
    "é",
    "\r\n",
    "\u2028",
    "=",
    "null",
  ],
  ...[
    "\0",
    "\ufeff",
    "\\",
    "1e3",
    "-1",
    "2.5",
    "vllm",
    "engine_args:\n",
    "metadata:\n",
    "\ud800",
    "😀",
    " ",
    "x",
  ],
];

/** A text with one to four random changes: pieces removed, inserted or repeated. */
export function mutated(text: string, random: Random): string {
  let out = text;
  for (let change = 1 + random.below(4); change > 0; change--) {
    const at = random.below(out.length + 1);
    const kind = random.next();
    if (kind < 0.35) out = out.slice(0, at) + out.slice(at + 1 + random.below(kind < 0.05 ? 60 : 3));
    else if (kind < 0.85) out = out.slice(0, at) + random.pick(PIECES) + out.slice(at);
    else {
      const from = random.below(out.length + 1);
      out = out.slice(0, at) + out.slice(from, from + 1 + random.below(60)) + out.slice(at);
    }
  }
  return out;
}
