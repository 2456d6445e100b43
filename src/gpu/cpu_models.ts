/** Processors by the names that profiles give them, with the numbers of the chips that have the name. */
const EPYC_CHIPS: Readonly<Record<string, string>> = {
  EPYC_9965: "9965",
  EPYC_ZEN5:
    "9845 9825 9755 9745 9655P 9655 9645 9575F 9565 9555P 9555 9375F 9365 9355P 9355 9335 9275F 9255 9175F 9135 " +
    "9115 9015",
  EPYC_ZEN4:
    "9754 9754S 9734 9654 9654P 9634 9554 9554P 9534 9454 9454P 9354 9354P 9334 9254 9224 9124 9684X 9384X 9184X " +
    "9474F 9374F 9274F 9174F 9J14",
};

/** Any other processor. */
export const GENERIC_CPU = "CPU";

const BY_CHIP = new Map(
  Object.entries(EPYC_CHIPS).flatMap(([name, chips]) => chips.split(" ").map((chip) => [chip, name])),
);

/** All names of processors. */
export const CPU_MODELS: readonly string[] = [...Object.keys(EPYC_CHIPS), GENERIC_CPU];

/** The name of a chip by its number, `9654P`; `null` for a chip without a name of its own. */
export function epycOf(chip: string): string | null {
  return BY_CHIP.get(chip.toUpperCase()) ?? null;
}
