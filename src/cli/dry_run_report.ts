import { renderBashScript, shellWord } from "../engine/bash_script.ts";
import { profileValue } from "../profiles/profile_content.ts";
import { type ConfigValue, numberLiteral } from "../values/value.ts";
import { jsonValue } from "../values/write_json.ts";
import { writeYaml } from "../values/write_yaml.ts";
import type { Explanation } from "./explain_plan.ts";
import type { ServingPlan } from "../serve/serving_plan.ts";

/**
 * The output of `dry-run --format json`: an array of one object, like AMD's runtime. AMD's AIM Engine operator reads
 * `filename`, `profile` and `models` from the last JSON array in the pod's log. aim's own keys come after AMD's.
 */
export function dryRunJson(plan: ServingPlan, explanation: Explanation): string {
  const value = {
    ...Object.fromEntries([...amdsKeys(plan, explanation)].map(([key, item]) => [key, jsonValue(item)])),
    script: dryRunScript(plan),
    command: plan.shown.argv,
    env: plan.shown.env,
    resolution: plan.place,
    explanation,
  };
  return JSON.stringify([value], null, 2);
}

/**
 * The output of `dry-run`: comments on the profile and the model's place, then the same list as YAML. The script comes
 * last, and is left out if it could not run.
 */
export function dryRunText(plan: ServingPlan, explanation: Explanation, runnable: boolean): string {
  const entries = writeYaml(amdsKeys(plan, explanation)).trimEnd().split("\n");
  const rest = runnable
    ? ["script: |", ...dryRunScript(plan).trimEnd().split("\n").map((line) => `  ${line}`)]
    : [
      `# not runnable here: ${
        plan.shown.argv.map((word) => shellWord(word)).join(" ").replaceAll("\n", "\\n")
      }`,
    ];
  const list = [...entries, ...rest].map((line, at) => `${at === 0 ? "- " : "  "}${line}`);
  return `${[...remarks(plan, explanation).map((line) => `# ${line}`), ...list].join("\n")}\n`;
}

/** The script alone. */
export function dryRunScript({ shown: { env, argv, references } }: ServingPlan): string {
  return renderBashScript({ env, argv, references });
}

/** A plan that shows its secrets. */
export function withSecrets(plan: ServingPlan): ServingPlan {
  const { profile, env, argv } = plan;
  return { ...plan, shown: { profile, env, argv, references: new Set() } };
}

/** AMD's keys in its order, without the script. */
function amdsKeys(plan: ServingPlan, explanation: Explanation): ReadonlyMap<string, ConfigValue> {
  const { path } = plan.profile;
  const { modelBytes } = explanation;
  const gib = modelBytes === null ? null : numberLiteral(Math.round(modelBytes / 2 ** 30 * 100) / 100);
  return new Map<string, ConfigValue>([
    ["filename", path.slice(path.lastIndexOf("/") + 1)],
    ["path", path],
    ["profile", profileValue(plan.shown.profile)],
    ["models", [
      new Map<string, ConfigValue>([
        ["name", plan.model.name],
        ["source", plan.model.uri],
        ["size_gb", gib],
      ]),
    ]],
  ]);
}

function remarks(plan: ServingPlan, explanation: Explanation): string[] {
  const { selectedBecause, runnersUp, found, download, memory, unsafe, disk } = explanation;
  const labelled = (label: string, text: string) => `${label.padEnd(10)}${text.replaceAll(/\s*\n\s*/g, " ")}`;
  return [
    labelled("profile", `${plan.profile.id}: ${selectedBecause}`),
    ...runnersUp.map(({ profileId, reason }, at) =>
      labelled(at === 0 ? "next" : "", `${profileId}: ${reason}`)
    ),
    labelled("model", found),
    ...(memory === null ? [] : [labelled("memory", memory.summary)]),
    ...(unsafe === null ? [] : [labelled("trust", unsafe)]),
    ...(download === null ? [] : [labelled("download", download.summary)]),
    ...(disk === null ? [] : [labelled("disk", disk.summary)]),
  ];
}
