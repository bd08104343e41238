"""`edge check` and `edge config schema`: what the configuration says, or all that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from edge.cli.arguments import Arguments
from edge.cli.exits import FINE, MISTAKE
from edge.cli.gateway import Gateway
from edge.cli.output import columns, count, paint, say, say_json
from edge.cli.sentences import summary
from edge.config.check import schema as json_schema
from edge.config.models import Config
from edge.errors import Problem, TaskLoadError
from edge.runs.load import find_file
from edge.runs.sandbox.engine import Sandbox
from edge.runs.sandbox.schema import BadSource
from edge.runs.sandbox.source import read
from edge.runs.sandbox.stopped import Stopped


def check(words: list[str]) -> int:
    """Exit 1 when there are problems; warnings alone are fine."""
    options = (
        Arguments(
            "check",
            "Say everything that is wrong with a configuration at once, or what it does. Touches no hardware.",
            examples=("check", "check -c edge.yaml --json"),
        )
        .with_config()
        .with_json("a list of {file, line, path, message, hint}")
        .parse_args(words)
    )
    gateway = Gateway(options.config)
    examined = gateway.examined
    problems, warnings = list(examined.problems), list(examined.warnings)
    if examined.config is not None:
        _judge_sandboxed(examined.config, problems, warnings)
    said = (*problems, *warnings)
    if options.json:
        say_json([asdict(problem) for problem in said])
        return MISTAKE if problems else FINE
    for problem in said:
        say(_shown(problem))
    if problems or examined.config is None:
        say(f"\n{count(len(problems), 'problem')} in {gateway.file}")
        return MISTAKE
    say(f"{paint('ok', 'green')}  {gateway.file}")
    say(columns((f"  {label}", sentence) for label, sentence in summary(examined.config)))
    return FINE


def schema(words: list[str]) -> int:
    """Prints the schema."""
    Arguments(
        "config schema",
        "Print the JSON Schema of edge.yaml. In VS Code: # yaml-language-server: $schema=edge.schema.json",
        examples=("config schema > edge.schema.json",),
    ).with_json("always").parse_args(words)
    say_json(json_schema())
    return FINE


def _judge_sandboxed(config: Config, problems: list[Problem], warnings: list[Problem]) -> None:
    """What the sandbox would not take of its tasks' files, which are parsed and type-checked and not run."""
    sandbox = Sandbox()
    try:
        for name, task in config.tasks.items():
            if task.engine == "sandbox":
                problems.extend(_refused(name, task.run, sandbox))
    except TaskLoadError as error:
        said = f"the types of its tasks were not checked: {error}"
        warnings.append(Problem(file="", line=0, path="engine: sandbox", message=said))
    finally:
        sandbox.close()


def _refused(name: str, run: str | None, sandbox: Sandbox) -> Iterator[Problem]:
    file, function = find_file(name, run, Path.cwd())
    hint = "docs/guides/sandbox.md tells what it takes"
    try:
        for line, message in sandbox.mistakes(read(file.read_bytes(), function)):
            yield Problem(file=str(file), line=line, path=f"tasks.{name}", message=message, hint=hint)
    except (BadSource, Stopped) as error:
        yield Problem(file=str(file), line=0, path=f"tasks.{name}", message=str(error), hint=hint)


def _shown(problem: Problem) -> str:
    where = f"{problem.file}:{problem.line}" if problem.line else problem.file
    path = f"{paint(problem.path, 'bold')}: " if problem.path else ""
    hint = f"\n    {problem.hint}" if problem.hint else ""
    return f"{where}: {path}{problem.message}{hint}"
