"""What every mapping of edge.yaml is made of: names, paths, topics, and the strict base of them all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

NAME = r"^[a-z][a-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=64)]


def absolute(path: str, info: ValidationInfo) -> str:
    """From the folder of the file that is being loaded; as written where none is."""
    return str(Path(info.context["folder"], path)) if info.context else path


def _absolute_run(run: str, info: ValidationInfo) -> str:
    return absolute(run, info) if run.partition(":")[0].endswith(".py") else run


def _filled(topic: str, info: ValidationInfo) -> str:
    return topic.replace("{id}", info.context["id"]) if info.context else topic


FilePath = Annotated[str, AfterValidator(absolute)]
RunPath = Annotated[str, AfterValidator(_absolute_run)]
Topic = Annotated[str, AfterValidator(_filled)]


class Section(BaseModel):
    """Base of every mapping in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True)
