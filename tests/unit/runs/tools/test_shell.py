"""Commands on a list: real processes, no shell, and nothing left of them afterwards."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from edge.errors import NotGranted, ToolError
from tests.unit.runs.tools.conftest import Bench

SHORT = "timeout: 1s"


def commands(bench: Bench, *, more: str = "timeout: 10s", left: float = 10.0, **lists: list[str]):
    return bench.tool(f"kind: shell, {more}, commands: {json.dumps(lists)}", left=left)


def alive(pid: int) -> bool:
    """Whether there is such a process that is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


def gone(pids: list[int]) -> bool:
    """The system takes a moment to end what was killed."""
    pause = threading.Event()
    return any(not any(map(alive, pids)) or pause.wait(0.02) for _ in range(250))


def written(path: Path) -> list[int]:
    pause = threading.Event()
    assert any((path.exists() and path.read_text().endswith(".")) or pause.wait(0.02) for _ in range(250))
    return [int(word) for word in path.read_text().removesuffix(".").split()]


def test_a_command_gives_its_code_and_both_outputs(bench):
    shell = commands(bench, both=["sh", "-c", "echo out; echo err >&2; exit 3"])

    assert shell.run("both") == {"code": 3, "output": "out\nerr\n", "truncated": False}


def test_arguments_stand_where_the_list_says_and_are_never_taken_apart(bench):
    shell = commands(bench, show=["printf", "%s|", "first", "{}", "between", "{}"])
    odd = "a b; rm -rf / $(id) `id` 'x' \"y\" * \n{}"

    assert shell.run("show", odd, "")["output"] == f"first|{odd}|between||"


def test_what_is_not_on_the_list_does_not_start(bench):
    with pytest.raises(NotGranted, match=r"no command 'rm'; add it to tools\.part\.commands"):
        commands(bench, up=["true"]).run("rm")


@pytest.mark.parametrize("arguments", [(), ("a", "b")])
def test_the_number_of_arguments_is_that_of_the_places(bench, arguments):
    with pytest.raises(TypeError, match="takes 1 arguments"):
        commands(bench, show=["echo", "{}"]).run("show", *arguments)


@pytest.mark.parametrize("argument", ["-n", "--help", "-", "a\0b", "x" * 1001, "\ud800"])
def test_an_argument_that_could_be_more_than_one_is_refused(bench, argument):
    with pytest.raises(ValueError):
        commands(bench, show=["echo", "{}"]).run("show", argument)


@pytest.mark.parametrize("argument", [7, None, b"a", ["a"]])
def test_an_argument_is_text(bench, argument):
    with pytest.raises(TypeError, match="an argument is text"):
        commands(bench, show=["echo", "{}"]).run("show", argument)


def test_after_two_dashes_a_dash_is_only_a_dash(bench):
    assert commands(bench, show=["printf", "--", "{}"]).run("show", "-n")["output"] == "-n"


def test_it_has_nothing_to_read(bench):
    ours, other, before = *os.pipe(), os.dup(0)
    os.dup2(ours, 0)
    try:
        answer = commands(bench, more=SHORT, read=["cat"]).run("read")
    finally:
        os.dup2(before, 0)
        for file in (ours, other, before):
            os.close(file)

    assert answer == {"code": 0, "output": "", "truncated": False}


def test_it_gets_no_environment_and_no_files_of_ours(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("EDGE_SECRET_TOKEN", "hush")
    shell = commands(bench, env=["env"], where=["pwd"], files=["sh", "-c", "echo /proc/self/fd/*"])
    with (tmp_path / "open").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        files = shell.run("files")["output"].split()

    assert [line.partition("=")[0] for line in sorted(shell.run("env")["output"].split())] == ["LANG", "PATH"]
    assert shell.run("where")["output"] == "/\n"
    assert not any(file.endswith(f"/{ours_number}") for file in files for ours_number in range(4, 100))


def test_a_program_that_is_not_there_is_said_without_paths(bench):
    with pytest.raises(ToolError, match="nosuch cannot be started: No such file"):
        commands(bench, nosuch=["no-such-program"]).run("nosuch")


def test_a_relative_program_starts_at_the_file_s_folder(bench, tmp_path):
    script = tmp_path / "hello.sh"
    script.write_text("#!/bin/sh\necho hello\n")
    script.chmod(0o755)

    assert commands(bench, hello=["./hello.sh"]).run("hello")["output"] == "hello\n"


def test_a_command_that_ignores_sigterm_is_ended_in_time(bench, tmp_path):
    stubborn = f"trap '' TERM; printf $$. > {tmp_path}/pid; while true; do sleep 1; done"
    with pytest.raises(ToolError, match=r"hang took longer than 1 s and was ended"):
        commands(bench, more=SHORT, hang=["sh", "-c", stubborn]).run("hang")

    assert gone(written(tmp_path / "pid"))


def test_it_has_no_longer_than_the_run(bench):
    with pytest.raises(ToolError, match=r"longer than 0\.1 s"):
        commands(bench, left=0.1, hang=["sleep", "60"]).run("hang")


def test_all_that_it_started_ends_with_it(bench, tmp_path):
    """Children of children, at the timeout; and what is left in the background of a command that ended well."""
    tree = f"(sleep 60 & sleep 60 & echo $! $$ > {tmp_path}/one; printf . >> {tmp_path}/one; wait) & wait"
    with pytest.raises(ToolError, match="took longer"):
        commands(bench, more=SHORT, tree=["sh", "-c", tree]).run("tree")
    behind = f"sleep 60 & echo $! > {tmp_path}/two; printf . >> {tmp_path}/two; echo done"
    answer = commands(bench, behind=["sh", "-c", behind]).run("behind")

    assert answer == {"code": 0, "output": "done\n", "truncated": False}
    assert gone(written(tmp_path / "one") + written(tmp_path / "two"))


def test_an_output_that_somebody_else_keeps_open_does_not_keep_the_run(bench, tmp_path):
    """A child with a session of its own is out of reach, but nobody waits for it."""
    away = f"setsid sleep 60 & echo $! > {tmp_path}/pid; printf . >> {tmp_path}/pid; echo done"
    answer = commands(bench, away=["sh", "-c", away]).run("away")
    for pid in written(tmp_path / "pid"):
        os.kill(pid, signal.SIGKILL)

    assert answer["output"] == "done\n"


def test_a_flood_is_cut_while_it_flows(bench):
    shell = commands(bench, more="timeout: 10s, output: 10KB", flood=["head", "-c", "5000000", "/dev/zero"])
    answer = shell.run("flood")

    assert (answer["code"], len(answer["output"]), answer["truncated"]) == (0, 10_000, True)


def test_a_flood_without_end_is_ended(bench):
    with pytest.raises(ToolError, match="took longer"):
        commands(bench, more="timeout: 100ms", flood=["yes"]).run("flood")


def test_output_that_is_no_text_is_made_one(bench):
    assert commands(bench, odd=["printf", r"\377a"]).run("odd")["output"] == "\ufffda"


def test_a_command_that_closes_its_output_may_go_on(bench):
    assert commands(bench, quiet=["sh", "-c", "exec >&- 2>&-; sleep 0.05; exit 4"]).run("quiet")["code"] == 4


def test_a_signal_is_a_negative_code(bench):
    assert commands(bench, kill=["sh", "-c", "kill -USR1 $$"]).run("kill")["code"] == -signal.SIGUSR1


def test_closing_ends_what_runs_and_starts_nothing_more(bench, tmp_path):
    shell = commands(bench, hang=["sh", "-c", f"printf $$. > {tmp_path}/pid; exec sleep 60"])
    tool = bench.last
    said: list[str] = []

    def run() -> None:
        with pytest.raises(ToolError) as caught:
            shell.run("hang")
        said.append(str(caught.value))

    thread = threading.Thread(target=run)
    thread.start()
    pids = written(tmp_path / "pid")
    tool.close()
    tool.close()
    thread.join(10)

    assert said == ["part: the runtime stops; hang was ended"]
    assert gone(pids)
    with pytest.raises(ToolError, match="the runtime stops"):
        shell.run("hang")


def test_it_is_never_safe_by_default(bench):
    commands(bench, up=["true"])

    assert bench.last.safe_by_default is False
