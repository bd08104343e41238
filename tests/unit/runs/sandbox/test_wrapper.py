"""What stands around the sandbox's processes: the strongest that starts here, found by starting it."""

from __future__ import annotations

from collections.abc import Sequence

from edge.runs.sandbox.wrapper import choose, works


def only(*names: str) -> object:
    """A machine on which these programs work."""
    known = {"prlimit", "bwrap", "setpriv"}
    return lambda command: not (known & set(command)) - set(names)


def test_bwrap_is_taken_where_it_works() -> None:
    wrapper = choose("/opt/monty", only("prlimit", "bwrap", "setpriv"))  # type: ignore[arg-type]

    assert wrapper is not None
    assert not wrapper.degraded
    assert {"--unshare-all", "--die-with-parent", "--cap-drop"} <= set(wrapper.command)
    assert "exec" not in wrapper.script("/opt/monty")  # killing the shell must end what bwrap started


def test_without_bwrap_it_is_setpriv_and_said_so() -> None:
    wrapper = choose("/opt/monty", only("prlimit", "setpriv"))  # type: ignore[arg-type]

    assert wrapper is not None
    assert "bwrap does not work here" in wrapper.degraded
    assert wrapper.script("/opt/my monty").endswith("'/opt/my monty' \"$@\"\n")


def test_without_either_nothing_is_started() -> None:
    assert choose("/opt/monty", only("prlimit", "bwrap" * 2)) is None  # type: ignore[arg-type]


def test_a_bwrap_that_is_there_and_fails_is_not_taken() -> None:
    tried: list[str] = []

    def forbidden(command: Sequence[str]) -> bool:
        tried.append(command[0])
        return "bwrap" not in command

    wrapper = choose("/opt/monty", forbidden)

    assert wrapper is not None
    assert wrapper.degraded
    assert len(tried) == 2


def test_a_program_that_is_not_there_does_not_work() -> None:
    assert not works(["/nowhere/at/all"])
    assert not works(["false"])
    assert works(["true"])
