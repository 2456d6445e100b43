import { compileSchemas } from "./compile_schemas.ts";

await Deno.writeTextFile(new URL("../src/profiles/validators.generated.js", import.meta.url), await compileSchemas());
