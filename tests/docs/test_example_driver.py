"""The example package of docs/examples: built and installed as a stranger's, it works where a built-in driver does."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import find, kinds
from edge.config.check import check
from edge.testing import driver_suite
from tests.docs.examples import ROOT, read

pytest.importorskip("hatchling", reason="the build backend; scripts/setup installs it")

SOURCE = ROOT / "docs" / "examples" / "edge-driver-as5600"
MODULE = SOURCE / "edge_driver_as5600.py"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source in the documentation, and unpacked as pip would."""
    dist, site = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(dist)]
    subprocess.run(command, cwd=SOURCE, check=True, capture_output=True)
    [wheel] = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    return site


@pytest.fixture
def site(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(installed))
    importlib.invalidate_caches()
    yield installed
    sys.modules.pop("edge_driver_as5600", None)


def run(site: Path, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), str(ROOT)])
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )


def test_the_wheel_holds_the_module_and_names_it(installed: Path) -> None:
    [info] = installed.glob("*.dist-info")

    assert {path.name for path in installed.iterdir()} == {"edge_driver_as5600.py", info.name}
    assert "[edge.drivers]\nas5600 = edge_driver_as5600" in (info / "entry_points.txt").read_text()


def test_it_is_found_like_any_other_and_keeps_the_contract(site: Path) -> None:
    assert "as5600" in kinds()
    assert find("as5600").origin == "edge-driver-as5600 1.0"
    assert driver_suite.problems("as5600") == []


def test_its_own_tests_pass_where_it_is_installed(installed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", SOURCE / "tests"]
    ran = run(installed, *command, cwd=tmp_path)

    assert ran.returncode == 0, ran.stdout
    assert "6 passed" in ran.stdout


def test_edge_check_and_edge_read_know_it(installed: Path, tmp_path: Path) -> None:
    edge, config = Path(sys.executable).parent / "edge", tmp_path / "edge.yaml"
    config.write_text("edge: {id: plant, backend: sim}\ndevices:\n  valve: {driver: as5600, bus: i2c-1}\n")
    checked = run(installed, edge, "check", "-c", config, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout

    told = run(installed, edge, "read", "valve", "--json", "-c", config, cwd=tmp_path)
    assert json.loads(told.stdout)["values"] == {"angle": 90.0}

    config.write_text(config.read_text().replace("i2c-1", "i2c-1, address: 0x40"))
    refused = run(installed, edge, "check", "-c", config, cwd=tmp_path)
    assert refused.returncode == 1
    assert "AS5600 cannot be at 0x40; it answers at 0x36" in refused.stdout + refused.stderr


def test_it_has_under_sixty_lines_with_its_simulated_chip() -> None:
    assert len(MODULE.read_text().splitlines()) < 60


def test_the_guide_ends_with_what_the_package_holds() -> None:
    blocks = {example.detail: example.text for example in read("docs/guides/drivers.md") if example.kind == "file"}

    assert blocks["edge_driver_as5600.py"].strip() == MODULE.read_text().strip()
    assert blocks["pyproject.toml"].strip() == (SOURCE / "pyproject.toml").read_text().strip()


# -- one that breaks a rule -------------------------------------------------------------------------------------------


BROKEN = {
    "no simulated chip": ("DRIVER, SIM = AS5600, SimAS5600", "DRIVER = AS5600", "must define DRIVER and SIM"),
    "does not import": (
        "STEP = 360 / 4096",
        "STEP = 360 / 0",
        "cannot be imported: ZeroDivisionError",
    ),
    "decodes wrongly": ("& 0x0FFF) * STEP", "& 0x0FFF) * STEP * 0.99", "angle: the world has"),
    "channel as people write it": ('{"angle": "deg"}', '{"Angle": "deg"}', "channel 'Angle' must be a lower-case word"),
    "range of nothing": ('"angle": (0.0', '"angel": (0.0', "ranges names 'angel', which is no channel"),
    "address that it does not have": ("addresses = (0x36,)", "addresses = (0x40,)", "0x36 is not among addresses"),
    "another channel than it says": ("self.reading(angle=", "self.reading(turn=", "read() gave ['turn']"),
    "swallows what the bus says": (
        "if not self.magnet:",
        "try:\n            self.magnet\n        except Exception:\n            return self.reading(angle=0.0)\n"
        "        if not self.magnet:",
        "start() without a chip must raise Nack; nothing was raised",
    ),
    "talks in its constructor": (
        "    def read(self)",
        "    def __init__(self, bus, address=None):\n        super().__init__(bus, address)\n"
        "        self.transfer(b'', 1)\n\n    def read(self)",
        "the constructor already talks to the chip",
    ),
    "option that configuration has": (
        "    def read(self)",
        "    def __init__(self, bus, address=None, *, every: float = 1.0):\n        super().__init__(bus, address)\n\n"
        "    def read(self)",
        "the option 'every' is a key of every device",
    ),
    "falls over": ("& 0x0FFF) * STEP", "& 0x0FFF) * STEP / None", "the contract: TypeError"),
}


def stranger(folder: Path, module: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution as pip leaves it, with a driver called `broken`."""
    (folder / f"{module}.py").write_text(source)
    info = folder / "edge_driver_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: edge-driver-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[edge.drivers]\nbroken = {module}\n")
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()


@pytest.mark.parametrize("name", BROKEN)
def test_a_package_that_breaks_a_rule_is_told_which(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad, text = BROKEN[name]
    module = "edge_driver_broken_" + name.replace(" ", "_")
    source = MODULE.read_text()
    assert good in source
    stranger(tmp_path, module, source.replace(good, bad, 1), monkeypatch)

    found = driver_suite.problems("broken")
    assert any(text in problem for problem in found), found


def test_a_name_that_nobody_has_is_told_with_the_nearest() -> None:
    [problem] = driver_suite.problems("bme28")

    assert problem.startswith("no driver called 'bme28'; did you mean 'bme280'")


def test_edge_check_goes_on_past_a_driver_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad, _ = BROKEN["talks in its constructor"]
    stranger(tmp_path, "edge_driver_early", MODULE.read_text().replace(good, bad, 1), monkeypatch)
    config = tmp_path / "edge.yaml"
    config.write_text(
        "edge: {id: a, backend: sim}\n"
        "devices:\n  one: {driver: broken, bus: i2c-1}\n  two: {driver: tmp10, bus: i2c-1}\n"
    )

    first, second = check(config)
    assert "the driver broken cannot be made: AttributeError" in first.message
    assert "no driver called" in second.message
