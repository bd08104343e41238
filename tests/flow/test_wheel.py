"""What is built is what is installed: all three packages, nothing of the tests, usable from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="the build backend; scripts/setup installs it")

ROOT = Path(__file__).parents[2]
PACKAGES = ("edge", "drivers", "tasks")
# No wheel for armv7: needed, they would shut 32-bit Raspberry Pi OS out.
NOT_ON_ARMV7 = {"msgspec", "psutil", "uvloop", "numpy", "pyarrow"}


def build(target: str, folder: Path, source: Path = ROOT) -> Path:
    """Build `wheel` or `sdist` of `source` into `folder`."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [built] = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build("wheel", tmp_path_factory.mktemp("wheel")))


def test_the_wheel_holds_every_file_of_the_three_packages_and_no_other(wheel: zipfile.ZipFile) -> None:
    """Whatever is not Python source counts too: templates, samples, py.typed."""
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert held == expected
    assert {f"{package}/py.typed" for package in PACKAGES} <= held


def test_the_wheel_names_its_command_and_its_pytest_plugin(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    text = wheel.read(name).decode()

    assert "edge = edge.cli:main" in text
    assert "[pytest11]\nedge = edge.testing.plugin" in text


def test_nothing_the_runtime_needs_is_missing_on_32_bit_raspberry_pi_os(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("METADATA")]
    requirements = HeaderParser().parsestr(wheel.read(name).decode()).get_all("Requires-Dist") or []
    needed = {line.split(">")[0].strip() for line in requirements if "extra ==" not in line}

    assert needed
    assert not needed & NOT_ON_ARMV7


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_installed_wheel_works_from_another_folder(tmp_path: Path) -> None:
    """sdist -> wheel -> an empty environment -> the starter folder with its test, as a user has it."""
    sdist = build("sdist", tmp_path)
    subprocess.run(["tar", "-xzf", sdist, "-C", tmp_path], check=True)
    source = tmp_path / sdist.name.removesuffix(".tar.gz")
    built = build("wheel", tmp_path, source)
    venv.create(tmp_path / "venv", with_pip=True)
    bin_folder, elsewhere = tmp_path / "venv" / "bin", tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment["PATH"] = f"{bin_folder}:{environment['PATH']}"

    def run(*command: str) -> str:
        program = str(bin_folder / command[0])
        ran = subprocess.run([program, *command[1:]], cwd=elsewhere, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, f"{' '.join(command)}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout

    run("pip", "install", "--quiet", "--constraint", str(ROOT / "requirements.lock"), f"{built}[test]")
    places = run("python", "-c", "import edge, drivers, tasks; print(edge.__file__, drivers.__file__, tasks.__file__)")
    assert places.count(str(tmp_path / "venv")) == 3
    assert not [
        name for name in ("tests", "deploy", "docs") if list((tmp_path / "venv").rglob(f"site-packages/{name}"))
    ]
    run(
        "python",
        "-c",
        "import importlib, pkgutil, tasks\nfor found in pkgutil.iter_modules(tasks.__path__):\n"
        "    importlib.import_module(f'tasks.{found.name}')",
    )
    assert "run" in run("edge", "--help")
    run("edge", "init", "greenhouse")
    run("edge", "check", "-c", "greenhouse/edge.yaml")
    run("python", "-m", "pytest", "-q", "greenhouse")
    run("pip", "check")
