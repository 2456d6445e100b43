import { assertEquals } from "@std/assert";
import { compileAhead } from "../../container/packaging/compile_ahead.ts";

Deno.test("functions stand in parentheses, declared ones before all that may call them", () => {
  const cases = [
    ["f();function f(a,b=()=>1){return f}", "var f=(function(a,b=(()=>1)){return f});\nf();"],
    ["async function f(){}function*g(){}", "var f=(async function(){}),\ng=(function*(){});\n"],
    ["var a=x=>y=>x+y", "var a=(x=>(y=>x+y))"],
    ["var a={b(){return async()=>1},get c(){return 1},async d(){}};", null],
    ["class A{b(){}static c=function(){}}", "class A{b(){}static c=(function(){})}"],
    ["export{f as g};function f(){function h(){}}", "var f=(function(){function h(){}});\nexport{f as g};"],
  ] as const;
  for (const [source, wanted] of cases) {
    assertEquals(compileAhead(source), wanted ?? source.replace("async()=>1", "(async()=>1)"));
  }
});

Deno.test("a module does the same as before, to the names of its functions", async () => {
  const source = `
    export const seen = [early(3), early.name, early.length];
    const later = (x) => ({ x }), { odd = async () => "odd" } = {};
    function early(n) { return n === 0 ? [] : [n, ...early(n - 1)]; }
    class Early { #secret = () => this.name; name = "class"; tell() { return this.#secret(); } }
    export default async function* () { yield* [later(1).x, await odd(), new Early().tell(), \`\${(() => "in")()}\`]; }
  `;
  const run = async (text: string) => {
    const module = await import(`data:text/javascript,${encodeURIComponent(text)}`);
    return [module.seen, await Array.fromAsync(module.default())];
  };
  assertEquals(await run(compileAhead(source)), await run(source));
  assertEquals((await run(source))[1], [1, "odd", "class", "in"]);
});
