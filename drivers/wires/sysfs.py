"""Parts that a kernel driver reads already: small text files below /sys (1-Wire, IIO, hwmon, the board itself).

Invariants
- A tree reads one small file or lists one folder; a file is never held open, so a part may go and come at any time.
- Errno becomes a `BusError` here and nowhere else: `Nack` where the part is not there, `BusUnavailable` where a person
  has to change something.
- A read may block for as long as the measurement takes (a DS18B20: 0.75 s), so each part is a wire of its own.
"""

import errno
import os
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Protocol

from drivers.base import Device
from drivers.errors import ArbitrationLost, BadData, BusError, BusFault, BusTimeout, BusUnavailable, Nack

PAGE = 4096
"""No file of sysfs is longer."""

_ABSENT = "not there: the kernel does not see the part; check wiring, power and the overlay"
_BY_ERRNO: dict[int, tuple[type[BusError], str]] = {
    errno.ENOENT: (Nack, _ABSENT),
    errno.ENODEV: (Nack, _ABSENT),
    errno.ENXIO: (Nack, _ABSENT),
    errno.EREMOTEIO: (Nack, "the kernel's driver got no answer from the chip: check wiring and power"),
    errno.ETIMEDOUT: (BusTimeout, "the kernel's driver waited for the part in vain"),
    errno.EBUSY: (ArbitrationLost, "somebody else reads the part in continuous mode"),
    errno.EAGAIN: (ArbitrationLost, "the part is busy; its first measurement may not be over"),
    errno.EACCES: (BusUnavailable, "no permission to read it: `ls -l` shows which group may"),
    errno.EPERM: (BusUnavailable, "no permission to read it: `ls -l` shows which group may"),
    errno.ENOTDIR: (BusUnavailable, "no such part: check `id:`"),
    errno.EISDIR: (BusUnavailable, "no such file: check `id:`"),
}


class Tree(Protocol):
    """Folders of small text files. Blocking; any thread."""

    def read(self, path: str) -> str:
        """The text of one file, without the line end; raises `BusError`."""

    def names(self, folder: str) -> list[str]:
        """What is in a folder, sorted; empty where there is no such folder."""

    def wait(self, seconds: float) -> None:
        """Let time pass between two attempts."""

    def close(self) -> None: ...


class SysfsTree:
    """The kernel's tree. `root` is what stands for `/`."""

    def __init__(self, *, wait: Callable[[float], None], root: Path = Path("/")) -> None:
        self._root = root
        self._wait = wait

    def read(self, path: str) -> str:
        try:
            with self._where(path).open("rb", buffering=0) as file:
                # not `file.read`: where the kernel's driver says EAGAIN (no conversion yet) it gives None and no error
                return os.read(file.fileno(), PAGE).decode("utf-8", "replace").strip()
        except OSError as error:
            raise translated(path, error.errno or 0) from error

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(path.name for path in self._where(folder).iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise translated(folder, error.errno or 0) from error

    def wait(self, seconds: float) -> None:
        self._wait(seconds)

    def close(self) -> None:
        """Nothing is held open."""
        return

    def _where(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def translated(path: str, number: int) -> BusError:
    """What an errno means for a file of sysfs."""
    kind, remedy = _BY_ERRNO.get(number, (BusFault, "the kernel's driver has no value"))
    return kind(f"{path}: {remedy} ({errno.errorcode.get(number, 'unknown error')})")


class SysfsDevice(Device):
    """Base of a part that the kernel reads: `Part(tree, id, **options)`.

    id      the name of its folder, or what it calls itself in one of the files `labels`; None: the only one of its kind
    tree    how its wire is called, together with the id: `w1 28-0000075b2a3c`
    folder  where the kernel lists such parts, `prefix` how their folders begin, `labels` which files name them
    advice  what to do where the kernel lists none
    """

    wire = "sysfs"
    own_wire = True  # the kernel answers each part in its own time
    tree_name: ClassVar[str]
    folder: ClassVar[str]
    prefix: ClassVar[tuple[str, ...]] = ("",)
    labels: ClassVar[tuple[str, ...]] = ("name", "label")
    advice: ClassVar[str]

    def __init__(self, tree: Tree, id: str | None = None) -> None:
        self.tree = tree
        self.id = id
        self._path: str | None = None

    def start(self) -> None:
        """Find the part, and take one reading and drop it."""
        self._path = None
        self.read()

    @abstractmethod
    def is_it(self, name: str) -> bool:
        """Whether the part in this folder is one that this driver reads; only asked where no id was given."""

    @property
    def path(self) -> str:
        """The part's folder. Raises `Nack` where there is none, `BusUnavailable` where there are several."""
        if self._path is None:
            self._path = f"{self.folder}/{self._find()}"
        return self._path

    def number(self, file: str) -> float:
        """The number in a file of the part's folder. `BadData` for anything else."""
        text = self.tree.read(f"{self.path}/{file}")
        try:
            return float(text)
        except ValueError as error:
            raise BadData(f"{self.path}/{file} holds {text[:40]!r}, which is no number") from error

    def close(self) -> None:
        self._path = None

    def _find(self) -> str:
        there = [name for name in self.tree.names(self.folder) if name.startswith(self.prefix)]
        if self.id is None:
            found = [name for name in there if self.is_it(name)]
        else:
            found = [self.id] if self.id in there else [name for name in there if self.id in self.called(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise BusUnavailable(
                f"{self.folder} has several such parts: {', '.join(found)}; write one of them as `id:`"
            )
        listed = ", ".join(there) or "nothing"
        wanted = type(self).__name__ if self.id is None else self.id
        raise Nack(f"{self.folder} has no {wanted}; it lists {listed}: {self.advice}")

    def called(self, name: str) -> set[str]:
        """What the part in this folder calls itself."""
        files = set(self.labels).intersection(self.tree.names(f"{self.folder}/{name}"))
        return {self.tree.read(f"{self.folder}/{name}/{file}") for file in files}
