"""edge.yaml as types. Frozen, unknown keys refused; references are checked in `edge.config.check`.

Defaults stand here and nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from edge.config.units import Duration, Size

NAME = r"^[a-z][a-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Backend = Literal["real", "sim"]
Durability = Literal["fsync", "written", "memory"]


class Section(BaseModel):
    """Base of every mapping in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class EdgeSection(Section):
    """`edge:` who this gateway is."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
    backend: Backend = "real"


class Broker(Section):
    """A connection to an MQTT broker."""

    broker: str = Field(description="mqtt://host:1883 or mqtts://host:8883")
    version: Literal["auto", "5", "3.1.1"] = "auto"
    user: str | None = None
    password: SecretStr | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    keepalive: Duration = 30.0
    session_expiry: Duration = 86400.0


class Dedupe(Section):
    """How a repeated message of a source is recognised where the broker keeps no session."""

    property: str | None = None
    field: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Dedupe:
        if (self.property is None) == (self.field is None):
            raise ValueError("give either property: or field:")
        return self


class Subscription(Section):
    """One MQTT source: its name is the key, `topic` its filter."""

    topic: str
    qos: Literal[0, 1] = 1
    dedupe: Dedupe | None = None
    max_payload: Size = 256_000


class Mqtt(Broker):
    """`mqtt:` the broker this gateway listens to and publishes on."""

    subscribe: dict[Name, Subscription] = {}
    receive_maximum: Annotated[int, Field(ge=1, le=65535)] = 1000


class DeviceSettings(BaseModel):
    """One entry of `devices:`. Keys that are not here are the driver's own options, checked against the driver."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    driver: str
    bus: str | None = None
    address: int | None = None
    pin: int | None = None
    every: Duration | None = None
    debounce: Duration = 0.0
    backend: Backend | None = None
    remote_set: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What the driver itself is to be given."""
        return dict(self.model_extra or {})


Scalar = bool | int | float | str


class When(Section):
    """What starts a task: a source with at most one condition, or a schedule."""

    source: str | None = None
    channel: str | None = None
    field: str | None = None
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    equals: Scalar | None = None
    edge: Literal["rising", "falling", "both"] | None = None
    for_: Duration | None = Field(default=None, alias="for")
    each: bool = False
    every: Duration | None = None
    cron: str | None = None
    timezone: str = "UTC"


class Grant(Section):
    """What a task may touch. The default is nothing."""

    devices: list[str] = []
    publish: list[str] = []


class Limits(Section):
    """What one run, and one task over time, may spend."""

    time: Annotated[Duration, Field(gt=0)] = 10.0
    calls: Annotated[int, Field(ge=0)] = 1000
    publishes: Annotated[int, Field(ge=0)] = 100
    output: Size = 64_000
    notes: Annotated[int, Field(ge=0)] = 100
    per_minute: Annotated[int, Field(ge=1)] | None = None
    per_hour: Annotated[int, Field(ge=1)] | None = None


class TaskSettings(Section):
    """One entry of `tasks:`."""

    when: When
    run: str | None = None
    engine: Literal["inline"] = "inline"
    grant: Grant = Grant()
    limits: Limits = Limits()
    cooldown: Duration | None = None
    mode: Literal["queued", "single", "parallel"] = "queued"
    max_runs: Annotated[int, Field(ge=1, le=64)] = 4
    queue: Annotated[int, Field(ge=1)] = 10_000
    klass: Literal["telemetry", "alarm"] = Field(default="telemetry", alias="class")


class JournalSection(Section):
    """`journal:` where outcomes are kept until they are delivered, and how much."""

    path: str = "/var/lib/edge/journal"
    max_size: Size = 256_000_000
    when_full: Literal["drop_oldest"] = "drop_oldest"
    durability: Durability = "fsync"
    keep_delivered: Duration = 86400.0


class MqttUpstream(Broker):
    """One upstream: a second broker that outcomes are delivered to."""

    kind: Literal["mqtt"]
    topic: str = "edge/{id}/outcomes"
    batch: Annotated[int, Field(ge=1, le=10_000)] = 1
    every: Duration | None = None
    window: Annotated[int, Field(ge=1, le=65535)] = 64
    formerly: str | None = None


class Metrics(Section):
    """`metrics:` where /metrics and /healthz are served."""

    listen: str = "127.0.0.1:9464"


class Config(Section):
    """The whole file."""

    edge: EdgeSection
    mqtt: Mqtt | None = None
    devices: dict[Name, DeviceSettings] = {}
    tasks: dict[Name, TaskSettings] = {}
    journal: JournalSection = JournalSection()
    upstream: dict[Name, MqttUpstream] = {}
    metrics: Metrics | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_or_many_upstreams(cls, data: Any) -> Any:
        """`upstream:` is one mapping (named `default`) or a mapping of names."""
        if isinstance(data, dict) and isinstance(data.get("upstream"), dict) and "kind" in data["upstream"]:
            return {**data, "upstream": {"default": data["upstream"]}}
        return data
