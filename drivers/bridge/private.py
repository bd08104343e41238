"""Import modules of other people for one user alone: with stand-ins for what they import, and leaving no trace.

    modules = PrivateModules({"time": stand_in}, own=("adafruit_sht31d", "adafruit_bus_device"))
    modules.load("adafruit_sht31d").SHT31D

An `import` inside such a module looks up `__import__` among the builtins that the module was given, which are the
usual ones but for this one function. So nothing is put into `sys.modules` and nothing in it is replaced, not even for
a moment: other threads, and whatever imports the same names in the ordinary way, never see a difference.
"""

import builtins
import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import module_from_spec, resolve_name
from types import ModuleType
from typing import Any

from drivers.errors import BadPin


class _Named(type):
    """The type of what is there by name only. Classes may be derived from it, and are ordinary ones."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") or "only_a_name" not in vars(cls):
            raise AttributeError(name)
        return _named(f"{cls.__name__}.{name}")

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if "only_a_name" not in vars(cls):
            return super().__call__(*args, **kwargs)
        raise BadPin(f"the driver wants {cls.__name__}, and only an I2C bus is bridged: no pins, no SPI, no UART")


def _named(name: str) -> _Named:
    return _Named(name, (), {"only_a_name": True})


class Names(ModuleType):
    """A module of which every name, and every module in it, exists: enough for annotations, and for nothing else."""

    def __init__(self, name: str, **real: Any) -> None:
        super().__init__(name)
        vars(self).update(real)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _named(f"{self.__name__}.{name}")


class PrivateModules:
    """`stand_ins`: top-level name -> the module to be had under it. `own`: the top-level names, or their beginnings
    (`adafruit_*`), of which this has copies of its own; every other module is the ordinary one. One thread."""

    def __init__(self, stand_ins: Mapping[str, ModuleType], own: Sequence[str]) -> None:
        self._loaded: dict[str, ModuleType] = dict(stand_ins)
        self._stand_ins = frozenset(stand_ins)
        self._names = frozenset(name for name in own if not name.endswith("*"))
        self._beginnings = tuple(name[:-1] for name in own if name.endswith("*"))
        self._builtins = {**vars(builtins), "__import__": self._import}

    def load(self, name: str) -> ModuleType:
        """The module of that dotted name, imported now if it was not. Raises what importing it raises."""
        if name in self._loaded:
            return self._loaded[name]
        parent, _, leaf = name.rpartition(".")
        path = getattr(self.load(parent), "__path__", ()) if parent else None
        if name not in self._loaded:  # its package may have imported it
            module = self._execute(name, find(name, path))
            if parent:
                setattr(self._loaded[parent], leaf, module)
        return self._loaded[name]

    def _execute(self, name: str, spec: ModuleSpec | None) -> ModuleType:
        parent = self._loaded.get(name.rpartition(".")[0])
        if isinstance(parent, Names):
            self._loaded[name] = Names(name)
            return self._loaded[name]
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if isinstance(spec.loader, ExtensionFileLoader):
            self._loaded[name] = importlib.import_module(name)  # machine code cannot be had twice
            return self._loaded[name]
        module = module_from_spec(spec)
        vars(module)["__builtins__"] = self._builtins
        self._loaded[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del self._loaded[name]
            raise
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What `import` statements in a module of ours call; see `builtins.__import__`."""
        if level:
            name = resolve_name("." * level + name, (globals or {}).get("__package__"))
        root = name.partition(".")[0]
        if not self._is_own(root):
            return builtins.__import__(name, globals, locals, fromlist or (), 0)
        module = self.load(name)
        if not fromlist:
            return self._loaded[root]
        for wanted in fromlist:
            if wanted != "*" and hasattr(module, "__path__") and not hasattr(module, wanted):
                self._load_part(f"{name}.{wanted}")
        return module

    def _load_part(self, name: str) -> None:
        try:
            self.load(name)
        except ModuleNotFoundError as error:
            # no such part: the statement that wants it says so, as it does for any missing name
            if error.name != name:
                raise

    def _is_own(self, root: str) -> bool:
        return root in self._stand_ins or root in self._names or root.startswith(self._beginnings)


def find(name: str, path: Sequence[str] | None = None) -> ModuleSpec | None:
    """Where the module is, in the package whose `__path__` is given; None where it is not. Imports nothing."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path, None)
        if spec is not None:
            return spec
    return None
