export * from "./bash_script.ts";
export * from "./command.ts";
export * from "./engine_args.ts";
export * from "./parse_engine_args_json.ts";
export * from "./python_json.ts";
export * from "./exec.ts";
export * from "./find_engine.ts";
