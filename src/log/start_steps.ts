/** The steps of a start, and when each ended. `performance.mark` would take a millisecond to load. */
export const startSteps: [step: string, end: number][] = [];
