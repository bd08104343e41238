"""A wrong configuration is explained: which line, which key, what is wrong, what to do. Every mistake at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import check, examine, load
from edge.errors import ConfigError
from tests.unit.config.mistakes import HEAD, MISTAKES, Mistake, task

Write = Callable[[str], Path]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_each_mistake_is_one_problem_with_line_path_reason_and_remedy(write: Write, mistake: Mistake) -> None:
    path = write(mistake.text)

    problems = examine(path, environ={"EDGE_SECRET_KNOWN": "x"}).problems

    assert [(p.file, p.line, p.path) for p in problems] == [(str(path), mistake.line, mistake.path)], problems
    assert mistake.message in problems[0].message
    assert mistake.hint in problems[0].hint != ""


def test_names_of_mistakes_are_unique() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 40


THIRTY = """\
edge: {id: bad id, backand: sim}  # 2
mqtt:
  broker: tcp://localhost  # 1
  subscribe:
    shake: {topic: "plant/#/shake", qos: 2}  # 2
    status: {topic: a}  # 1
devices:
  oven: {driver: tmp102, bus: i2c-1, address: 0x90, every: 5}  # 2
  cellar: {driver: tmp103, bus: i2c-1}  # 1
  door: {driver: contact, pin: 17, pul: up}  # 1
  gate: {driver: contact, pin: 17, every: 5s}  # 2
  fan: {driver: relay, pin: 99}  # 1
  lamp: {driver: relay}  # 1
tasks:
  one:
    run: ./tasks/app.py:rnu  # 1
    when: {source: ovn, above: 30}  # 1
    grant: {devices: [fna, oven], publish: ["a/+b"]}  # 2
  two:
    run: ./tasks/nothing.py:run  # 1
    when: {source: oven, above: 30, clear: 40}  # 1
    limits: {time: 0s, memory: 4}  # 2
    engine: werker  # 1
  three:
    run: ./tasks/app.py:run
    when: {cron: "99 * * * *", timezone: Mars/Phobos}  # 2, cron is asked for after the zone
    colldown: 5m  # 1
journal: {max_size: 256, durability: always}  # 2
upstream: {kind: mqtt, broker: mqtts://cloud, topic: "edge/{nam}", batch: 0, password: !secret none}  # 4
metrics: {listen: nowhere}  # 1
"""


def test_thirty_mistakes_in_one_file_are_all_reported_in_one_go_in_the_order_of_the_file(write: Write) -> None:
    problems = examine(write(THIRTY), environ={}).problems

    lines = [problem.line for problem in problems]
    assert len(problems) >= 30, "\n".join(map(str, problems))
    assert lines == sorted(lines)
    wrong = {number for number, line in enumerate(THIRTY.splitlines(), 1) if "  # " in line}
    assert set(lines) == wrong


def test_load_raises_all_of_them_as_one_error_that_a_person_can_read(write: Write) -> None:
    path = write(THIRTY)

    with pytest.raises(ConfigError) as caught:
        load(path, environ={})

    assert len(str(caught.value).splitlines()) == len(caught.value.problems) >= 30
    assert f"{path}:18: tasks.one.grant.devices: no device called 'fna' (did you mean 'fan'?)" in str(caught.value)


def test_a_mistake_is_told_once_not_again_by_what_follows_from_it(write: Write) -> None:
    """A device that is wrong still has its name: what refers to it is not wrong too."""
    text = f"""{HEAD}devices:
  oven: {{driver: tmp102, bus: i2c-1, every: 5}}
  fan: 7
tasks:
  job:
    run: ./tasks/app.py:run
    when: {{source: oven, above: 30}}
    grant: {{devices: [fan]}}
"""

    problems = examine(write(text), environ={}).problems

    assert [problem.path for problem in problems] == ["devices.oven.every", "devices.fan"]


def test_a_syntax_error_in_a_task_names_the_line_of_the_task(write: Write, tmp_path: Path) -> None:
    (tmp_path / "tasks" / "broken.py").write_text("from edge import task\n\ndef run(event, ctx:\n    pass\n")

    [problem] = examine(
        write(f"{HEAD}tasks:\n  job: {{when: {{every: 1m}}, run: './tasks/broken.py:run'}}\n"), environ={}
    ).problems

    assert (problem.file, problem.line, problem.path) == (str(tmp_path / "tasks" / "broken.py"), 3, "tasks.job.run")
    assert "not Python" in problem.message


def test_a_file_that_is_not_there_is_a_problem_like_any_other(tmp_path: Path) -> None:
    [problem] = examine(tmp_path / "edge.yaml", environ={}).problems

    assert "no such file" in problem.message
    assert "edge init" in problem.hint


RING = f"""{HEAD}mqtt:
  broker: mqtt://localhost
  subscribe: {{ping: {{topic: a/ping}}, pong: {{topic: a/pong}}}}
tasks:
  one: {{when: {{source: ping}}, run: "./tasks/app.py:run", grant: {{publish: [a/pong]}}}}
  two: {{when: {{source: pong}}, run: "./tasks/app.py:run", grant: {{publish: ["a/+"]}}}}
"""


def test_tasks_that_may_start_each_other_are_a_warning_that_stops_nothing(write: Write) -> None:
    examined = examine(write(RING), environ={})

    assert examined.config is not None
    assert [(w.line, w.path) for w in examined.warnings] == [
        (6, "tasks.one.grant.publish"),
        (7, "tasks.two.grant.publish"),
    ]
    assert examined.warnings[0].message.startswith("warning: one -> two -> one")
    assert examined.warnings[1].message.startswith("warning: two -> two")
    assert check(write(RING), environ={}) == list(examined.warnings)


@pytest.mark.parametrize("broker", ["mqtts://b:1883", "mqtt://b:8883"])
def test_a_scheme_on_the_other_schemes_port_is_a_warning(write: Write, broker: str) -> None:
    examined = examine(write(f"{HEAD}mqtt: {{broker: '{broker}'}}\n"), environ={})

    assert not examined.problems
    assert "usual port" in examined.warnings[0].message


def test_more_runs_of_a_task_than_places_for_all_are_a_warning(write: Write) -> None:
    examined = examine(write(task("when: {source: shake}\n    mode: parallel\n    max_runs: 5 # <-")), environ={})

    [warning] = examined.warnings
    assert warning.path == "tasks.job.max_runs"
    assert "only 4 runs of all tasks go on at once" in warning.message
    assert examined.config is not None


@pytest.mark.parametrize(
    ("upstream", "policy", "message"),
    [
        ("", "when_full: block", "nothing blocks"),
        ("upstream: {kind: mqtt, broker: 'mqtt://b'}\n", "when_full: block", "no task with class: alarm"),
        ("upstream: {kind: mqtt, broker: 'mqtt://b'}\n", "when_full: {alarm: block}", "no task with class: alarm"),
    ],
)
def test_a_policy_that_is_seldom_meant_is_a_warning(write: Write, upstream: str, policy: str, message: str) -> None:
    examined = examine(write(f"{HEAD}{upstream}journal: {{{policy}}}\n"), environ={})

    [warning] = examined.warnings
    assert message in warning.message
    assert examined.config is not None
