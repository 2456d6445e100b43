"""The argument parser of a vLLM release, run without the packages that vLLM needs.

    python3 vllm_parser.py describe DIR          the parser's options and the VLLM_* variables, as JSON
    python3 vllm_parser.py check DIR < argvs     for each command line in a JSON list: null, or why it is refused

DIR contains the package `vllm` (a wheel's *.py files are enough). Modules that vLLM imports but that are not
installed (torch, transformers, …) are replaced by stubs: the parser's result does not depend on them.
pydantic, regex, msgspec, packaging, cloudpickle and pyyaml must be installed.
"""

import abc
import argparse
import contextlib
import dataclasses
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import inspect
import io
import json
import os
import sys
import types

# Modules by which vLLM would detect a device.
DEVICES = {
    "amdsmi", "habana_frameworks", "intel_extension_for_pytorch", "libtpu", "neuronxcc", "pynvml", "torch_neuronx",
    "torch_xla", "tpu_info", "vllm_xpu_kernels",
}
# Newer than any release requires.
VERSIONS = {"transformers": "5.99.0"}


class Stub(abc.ABCMeta):
    """A class that stands for anything: a base class, a decorator, a type, a value."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = stub(name)
        setattr(cls, name, value)
        return value

    def __call__(cls, *args, **kwargs):
        if "_is_stub" not in cls.__dict__:  # a class of vLLM that is derived from a stub
            return type.__call__(cls, *args, **kwargs)
        return args[0] if len(args) == 1 and not kwargs and callable(args[0]) else stub(cls.__name__)

    def register(cls, *args, **kwargs):
        if "_is_stub" not in cls.__dict__:
            return abc.ABCMeta.register(cls, *args, **kwargs)
        return args[0] if len(args) == 1 and not kwargs and callable(args[0]) else stub("register")

    def __getitem__(cls, item):
        return cls

    def __setitem__(cls, item, value):
        pass

    def __or__(cls, other):
        return cls

    def __iter__(cls):
        return iter(())

    def __contains__(cls, item):
        return False

    def __len__(cls):
        return 0

    def __bool__(cls):
        return False

    def __lt__(cls, other):
        return False

    def __gt__(cls, other):
        return True

    def __enter__(cls):
        return cls

    def __exit__(cls, *error):
        return False

    def __float__(cls):
        return 0.0

    def __int__(cls):
        return 0

    def __eq__(cls, other):
        return isinstance(other, Stub) and other.__name__ == cls.__name__

    def __hash__(cls):
        return hash(cls.__name__)

    def __str__(cls):
        return cls.__name__

    def __fspath__(cls):
        return "/stub"

    def one(cls, *others):
        return 1

    __ror__ = __or__
    __le__, __ge__, __index__ = __lt__, __gt__, __int__
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = one
    __floordiv__ = __rfloordiv__ = __pow__ = __rpow__ = __mod__ = __and__ = __lshift__ = __rshift__ = one
    __neg__ = __invert__ = one


def stub(name):
    return Stub(name, (), {
        "_is_stub": True,
        "__init__": lambda self, *args, **kwargs: None,
        "__getattr__": attribute_of_instance,
        "__class_getitem__": classmethod(lambda cls, item: cls),
        "__init_subclass__": classmethod(lambda cls, **kwargs: None),
        "__get_pydantic_core_schema__": classmethod(any_schema),
    })


def attribute_of_instance(self, name):
    if name.startswith("__"):
        raise AttributeError(name)
    return stub(name)


def any_schema(cls, source, handler):
    from pydantic_core import core_schema

    return core_schema.any_schema()


def infer_schema(function, mutates_args=()):
    """Replaces torch.library.infer_schema: vLLM reads only how many tensors the function returns."""
    count = str(inspect.signature(function).return_annotation).count("Tensor")
    return "() -> " + ("Tensor" if count < 2 else "(" + ", ".join(["Tensor"] * count) + ")")


class StubModule(types.ModuleType):
    def __getattr__(self, name):
        if name == "__version__":
            return VERSIONS.get(self.__name__, "2.9.0")
        if name.startswith("__"):
            raise AttributeError(name)
        value = stub(name)
        setattr(self, name, value)
        return value


class StubFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Provides every module that vLLM itself imports and no other finder finds."""

    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top in DEVICES:
            return None
        frame = sys._getframe(1)
        while "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        if not frame.f_globals.get("__name__", "").startswith("vllm"):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = StubModule(spec.name)
        if spec.name == "torch.library":
            module.infer_schema = infer_schema
        return module

    def exec_module(self, module):
        pass


installed_version = importlib.metadata.version


def version_of(name):
    try:
        return installed_version(name)
    except importlib.metadata.PackageNotFoundError:
        return VERSIONS.get(name, "2.9.0")


def first_module(*names):
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("vllm"):
                raise
    raise ModuleNotFoundError(names[0])


def server_parser(root):
    """The parser of `python -m vllm.entrypoints.openai.api_server`."""
    sys.path.insert(0, root)
    sys.meta_path.append(StubFinder())
    importlib.metadata.version = version_of
    import vllm.platforms as platforms
    from vllm.platforms.interface import UnspecifiedPlatform

    class NoDevice(UnspecifiedPlatform):
        dispatch_key = "CPU"
        device_type = "cpu"
        simple_compile_backend = "eager"

        @classmethod
        def get_device_name(cls, *args):
            return "none"

    platforms._current_platform = NoDevice()
    # Its module moved twice after 0.28.
    cli_args = first_module(
        "vllm.entrypoints.openai.cli_args",
        "vllm.entrypoints.launchers.cli_args",
        "vllm.entrypoints.common.cli_args",
    )
    utils = first_module("vllm.utils.argparse_utils", "vllm.utils")
    return cli_args.make_arg_parser(utils.FlexibleArgumentParser())


# The samples that a value's type accepts determine its kind.
SAMPLES = ["1", "-1", "1.5", "32k", "auto", "", "None", "{}", "[1]", "abc", '{"z":1}', "none=1"]
KINDS = {
    "110000000000": "int",
    "111000000000": "float",
    "110100000000": "human-int",
    "110110000000": "human-int-or-auto",
    "111000011010": "json",
    "000000010000": "object",
    "000000010010": "object",
    "000000010001": "object-or-pairs",
    "000000010011": "object-or-pairs",
    "100000010000": "object-or-int",
    "100000010010": "object-or-int",
    "111111111111": "text",
}


def takes(convert, text):
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            convert(text)
        return True
    except (argparse.ArgumentTypeError, TypeError, ValueError, KeyError, AttributeError, SystemExit):
        return False


def kind_of(action):
    if action.nargs == 0:
        return "flag"
    convert = action.type or str
    taken = "".join("1" if takes(convert, sample) else "0" for sample in SAMPLES)
    kind = KINDS.get(taken)
    if kind is None and taken[5:7] == "11":
        kind = KINDS.get(taken[:5] + "00" + taken[7:])
        kind = kind and kind + "?"
    if kind is None:
        raise SystemExit(f"{action.option_strings}: values of an unknown kind ({taken})")
    many = "append" if isinstance(action, argparse._AppendAction) else action.nargs
    return kind if many is None else f"{kind} {many}"


def fields_of(action):
    """The fields of an option whose object must match a dataclass; none if it may have any field."""
    if not takes(action.type or str, "{}") or takes(action.type or str, '{"z":1}'):
        return []
    seen, rest = set(), [action.type]
    while rest:
        value = rest.pop()
        if dataclasses.is_dataclass(value):
            return [field.name for field in dataclasses.fields(value) if field.init]
        if not inspect.isfunction(value) or value in seen:
            continue
        seen.add(value)
        rest += [*(value.__defaults__ or ()), *(cell.cell_contents for cell in value.__closure__ or ())]
    return []


def describe(parser):
    from vllm import envs

    names = [*envs.environment_variables, *getattr(envs, "ENV_VARS", ())]
    return {
        "options": {
            option: {
                "kind": kind_of(action),
                "choices": [str(choice) for choice in action.choices] if action.choices else None,
                "long": next(one for one in action.option_strings if one.startswith("--")),
            }
            for option, action in parser._option_string_actions.items()
            if not isinstance(action, argparse._HelpAction)
        },
        "fields": {
            action.option_strings[0]: fields
            for action in parser._actions
            if action.option_strings and (fields := fields_of(action))
        },
        "variables": sorted({name for name in names if name.startswith("VLLM_")}),
    }


class Refused(Exception):
    pass


def refusal(parser, argv):
    try:
        parser.parse_args(argv)
        return None
    except Refused as error:
        return str(error)
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"


def refuse(self, message):
    raise Refused(message)


if __name__ == "__main__":
    command, root = sys.argv[1:]
    # Log lines must not get into the output.
    answer, sys.stdout = sys.stdout, sys.stderr
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    parser = server_parser(os.path.abspath(root))
    argparse.ArgumentParser.error = refuse
    if command == "describe":
        json.dump(describe(parser), answer)
    else:
        json.dump([refusal(parser, argv) for argv in json.load(sys.stdin)], answer)
