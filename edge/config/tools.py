"""`tools:` of edge.yaml as types: what tasks may be lent besides devices. A tool exists when it is configured, and a
task has it when `grant.tools` names it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge.config.base import FilePath, Section
from edge.config.units import LongerThanZero, Size


class _Tool(Section):
    """What every tool has."""

    description: str = Field(default="", description="what it is for; shown by `edge tasks show`")
    timeout: LongerThanZero = Field(default=5.0, description="longest that one call may take")

    @property
    def safe_by_default(self) -> bool:
        """Whether `tools: ["*"]` gives it: it cannot act on the world outside this gateway."""
        return False


class HttpTool(_Tool):
    """`kind: http`, requests to servers that are on a list."""

    kind: Literal["http"] = Field(description="requests to the servers on the list")
    hosts: Annotated[list[str], Field(min_length=1)] = Field(
        description="servers, `api.example` or `api.example:8443`; a redirect must stay on the list"
    )
    methods: list[Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]] = Field(
        default=["GET"], description="methods it may use"
    )
    insecure: bool = Field(default=False, description="whether plain `http://` is allowed")
    private: bool = Field(
        default=False, description="whether the hosts may have addresses of a private network or of this machine"
    )
    headers: dict[str, str] = Field(default={}, description="headers sent with every request; the task sees none")
    request: Size = Field(default=64_000, description="most that one request may carry")
    response: Size = Field(default=256_000, description="most that one answer may have")


class KvTool(_Tool):
    """`kind: kv`, values by key, durable, shared by the tasks that have the tool."""

    kind: Literal["kv"] = Field(description="values by key in the journal's folder")
    entries: Annotated[int, Field(ge=1, le=10_000)] = Field(default=1000, description="most keys")
    value: Size = Field(default=16_000, description="most that one value may have as JSON")

    @property
    def safe_by_default(self) -> bool:
        """It stays inside."""
        return True


class SqlTool(_Tool):
    """`kind: sql`, an SQLite file, read-only unless `write: true`."""

    kind: Literal["sql"] = Field(description="parametrised statements on an SQLite file")
    file: FilePath = Field(description="the file; relative to this one")
    write: bool = Field(default=False, description="whether tasks may change it")
    rows: Annotated[int, Field(ge=1, le=100_000)] = Field(default=1000, description="most rows of one answer")

    @property
    def safe_by_default(self) -> bool:
        """As long as it only reads."""
        return not self.write


class ShellTool(_Tool):
    """`kind: shell`, commands that are on a list, without a shell between."""

    kind: Literal["shell"] = Field(description="commands on a list, started without a shell")
    commands: Annotated[dict[str, Annotated[list[str], Field(min_length=1)]], Field(min_length=1)] = Field(
        description="name -> program and arguments; `{}` as an argument stands for one that the task gives"
    )
    output: Size = Field(default=64_000, description="most of its output that is kept")


ToolSettings = Annotated[HttpTool | KvTool | SqlTool | ShellTool, Field(discriminator="kind")]
