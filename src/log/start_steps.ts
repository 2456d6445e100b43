/** The steps of a start, and when each ended. `performance.mark` would take a millisecond to load. */
export const startSteps: [step: string, end: number][] = [];

export function endStep(step: string): void {
  startSteps.push([step, performance.now()]);
}
