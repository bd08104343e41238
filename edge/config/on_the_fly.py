"""`on_the_fly:` of edge.yaml as types: the ceiling under which micro-apps may be installed while the gateway runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from edge.config.base import Name, Section
from edge.config.tasks import Grant, Limits, MemorySection
from edge.config.units import LongerThanZero, Size


class Trial(Section):
    """`on_the_fly.trial:` how a new version of an app proves itself before it replaces the old one."""

    runs: Annotated[int, Field(ge=1)] = Field(default=20, description="runs of the new version")
    time: LongerThanZero = Field(default=86400.0, description="or this long, whichever comes first")


class OnTheFly(Section):
    """Without this section nothing can be installed."""

    apps: Annotated[int, Field(ge=1, le=64)] = Field(default=20, description="most apps at once")
    sources: list[str] = Field(default=[], description="devices and sources whose events apps may listen to")
    schedules: bool = Field(default=False, description="whether apps may run by `every` and `cron`")
    grant: Grant = Field(default=Grant(), description="the most that an app may ask for")
    limits: Limits = Field(
        default=Limits.model_construct(time=1.0),
        validate_default=True,
        description="the most that an app may ask to spend",
    )
    memory: MemorySection | None = Field(
        default=None, description="the most that an app may ask to remember; default: nothing"
    )
    source: Size = Field(default=64_000, description="most bytes of an app's source")
    ttl: LongerThanZero = Field(default=7 * 86400.0, description="longest that an app lives which was not promoted")
    trial: Trial = Field(default=Trial(), description="how a new version proves itself")
    keys: dict[Name, str] = Field(
        default={}, description="who may install over MQTT: name -> ed25519 public key in base64"
    )
    remote: bool = Field(default=False, description="whether `edge/<id>/apps/<name>/set` is listened to")

    @field_validator("limits", mode="after")
    @classmethod
    def _of_the_sandbox(cls, limits: Limits) -> Limits:
        return limits.usual_in("sandbox")
