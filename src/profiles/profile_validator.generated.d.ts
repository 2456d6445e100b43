import type { Validator } from "./validators.generated.d.ts";

export const profile: Validator;
