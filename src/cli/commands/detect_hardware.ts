import { detectAccelerators } from "../../gpu/detect_accelerators.ts";
import { hardwareReport } from "../../gpu/hardware_report.ts";
import type { GpuInventory } from "../../gpu/types.ts";
import { readJson } from "../../values/read_json.ts";
import { isList } from "../../values/value.ts";
import { writeYaml } from "../../values/write_yaml.ts";
import { command } from "../command.ts";

/** AMD's command for its node labeller: reports the host's hardware, regardless of settings. */
export const detectHardwareCommand = command<readonly GpuInventory[]>({
  usage: "detect-hardware",
  summary: "print this host's accelerators in the form that AMD's node labeller reads",
  settings: ["sysfsRoot", "devRoot", "procRoot", "amdSmi"],
  flags: {
    "--type all|gpu|cpu": "what to look for",
    "--format json|yaml": "how the list is printed; empty if no known accelerator is found",
    "-v|--verbose": "also the state of each GPU and of the processor",
  },
  examples: {
    "aim detect-hardware": "GPUs and the processor",
    "aim detect-hardware --type cpu": "the processor, and the cores of the host",
    "aim detect-hardware --type gpu --format yaml -v": "each GPU with its memory and load",
  },
  async prepare({ config, flags, signal }) {
    // A program that is asked may hang: reading the signal makes SIGTERM end this process.
    void signal;
    const types = (["gpu", "cpu"] as const).filter((type) => flags.type === "all" || flags.type === type);
    return await Promise.all(types.map((type) =>
      detectAccelerators({
        ...config,
        // Settings and variables that hide GPUs from a process do not change the host's hardware.
        env: {},
        acceleratorType: type,
        acceleratorFamily: null,
        acceleratorModel: null,
        acceleratorCount: "auto",
      })
    ));
  },
  run({ flags, print }, found) {
    const json = JSON.stringify(
      found.map((one) => hardwareReport(one, flags.verbose === true)).filter((report) => report !== null),
      null,
      2,
    );
    const value = readJson(json);
    print(
      flags.format === "yaml" && isList(value) ? value.length === 0 ? "[]\n" : writeYaml(value) : `${json}\n`,
    );
  },
});
