"""edge.yaml as types. Frozen, strict, unknown keys refused; references are checked in `edge.config.rules`.

Defaults stand here and nowhere else, and so do the descriptions of the guide and of the JSON Schema; tasks, tools and
what may come on the fly have files of their own beside this one. Loading gives a validation context (`folder`, `id`),
with which paths become absolute and `{id}` is filled in: nobody downstream needs to know where the file was. Without a
context values stay as written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from edge.config.base import FilePath, Name, Section, Topic
from edge.config.keys import parse_key
from edge.config.on_the_fly import OnTheFly
from edge.config.report import did_you_mean, shortened
from edge.config.secrets import STAND_IN
from edge.config.tasks import RunsSection, TaskSettings
from edge.config.tools import ToolSettings
from edge.config.units import Duration, LongerThanZero, Size, parse_duration

Backend = Literal["real", "sim", "replay"]
Durability = Literal["fsync", "written", "memory"]
Policy = Literal["drop_oldest", "drop_newest", "block"]
TelemetryPolicy = Literal["drop_oldest", "drop_newest", "block", "thin"]


class EdgeSection(Section):
    """`edge:` who this gateway is."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)] = Field(
        description="name of the gateway: in topics, outcome ids and MQTT client ids; change it seldom"
    )
    backend: Backend = Field(
        default="real",
        description="`real` buses and pins, `sim`ulated ones, or the `replay` of a recording; a device may differ",
    )
    scenario: FilePath | None = Field(
        default=None, description="file that says what simulated devices see, and what goes wrong when"
    )
    recording: FilePath | None = Field(
        default=None, description="file of `edge record` that devices with `backend: replay` play back"
    )


class Broker(Section):
    """A connection to an MQTT broker."""

    broker: str = Field(description="`mqtt://host:1883`, or `mqtts://host:8883` for TLS; the port may be left out")
    version: Literal["auto", "5", "3.1.1"] = Field(
        default="auto", description="MQTT version; `auto` tries 5, then 3.1.1"
    )
    user: str | None = Field(default=None, description="user name")
    password: SecretStr | None = Field(default=None, description="password; write `!secret name`")
    ca: FilePath | None = Field(default=None, description="file of the authority that signed the broker's certificate")
    cert: FilePath | None = Field(
        default=None, description="file of this gateway's own certificate; together with `key`"
    )
    key: FilePath | None = Field(default=None, description="file of the private key of `cert`")
    keepalive: Annotated[Duration, Field(ge=1, le=65535)] = Field(
        default=30.0, description="a link that is silent this long is dead"
    )
    session_expiry: Annotated[Duration, Field(le=2**32 - 1)] = Field(
        default=86400.0, description="how long the broker keeps messages for a gateway that is away"
    )


class Dedupe(Section):
    """How a repeated message of a source is recognised where the broker keeps no session; exactly one of the two."""

    property: str | None = Field(default=None, description="user property (MQTT 5) that holds the message's id")
    field: str | None = Field(default=None, description="field of the JSON payload that holds the message's id")

    @model_validator(mode="after")
    def _one(self) -> Dedupe:
        if (self.property is None) == (self.field is None):
            raise ValueError("give exactly one of property and field; delete one, or delete dedupe")
        return self


class Subscription(Section):
    """One MQTT source: its name is the key, `topic` its filter."""

    topic: Topic = Field(description="topic filter; `+` is one level, `#` at the end all below; `{id}` is filled in")
    qos: Literal[0, 1] = Field(
        default=1, description="1: the broker repeats until it is safe here; 0: sent once, may be lost"
    )
    dedupe: Dedupe | None = Field(default=None, description="where a message carries an id of its own")
    max_payload: Annotated[Size, Field(ge=1)] = Field(
        default=256_000, description="a larger message is rejected and counted"
    )


class Mqtt(Broker):
    """`mqtt:` the broker this gateway listens to and publishes on."""

    subscribe: dict[Name, Subscription] = Field(default={}, description="sources by name")
    receive_maximum: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=1000, description="messages the broker may have sent that are not yet acknowledged"
    )


Distance = Annotated[float, Field(gt=0)]


def _distances(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{shortened(value)} is no distance; write a number, or {{channel: number}}")
    if value <= 0:
        raise ValueError(f"{value:g} would doubt every change; leave jump out where nothing is known")
    return {"*": value}


Jump = Annotated[
    dict[str, Distance], BeforeValidator(_distances, json_schema_input_type=Distance | dict[str, Distance])
]
"""Channel -> distance; `*` stands for all that it measures."""


class DeviceSettings(BaseModel):
    """One entry of `devices:`. Further keys are the driver's own options (`edge devices kinds KIND` lists them)."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    driver: str = Field(description="kind of part: `tmp102`, `bme280`, `contact`, `relay` ...")
    bus: str | None = Field(
        default=None,
        pattern=r"^(i2c-[0-9]{1,3}|spi-0|[a-z][a-z0-9_-]*/[0-7])$",
        description="bus of a chip: `i2c-1`, `spi-0`, or `mux/3`, channel 3 of the multiplexer called mux",
    )
    address: int | None = Field(default=None, description="I2C address, 0x08 to 0x77; default: the driver's")
    select: int = Field(default=0, description="chip select of a chip on SPI: 0 is GPIO8, 1 is GPIO7")
    pin: int | None = Field(default=None, description="BCM number of a part on one header pin, 0 to 27")
    pins: dict[str, int] | None = Field(
        default=None, description="BCM numbers of a part on several header pins, by their roles: `{a: 17, b: 27}`"
    )
    port: str | None = Field(
        default=None,
        pattern=r"^(/dev/)?[A-Za-z0-9][A-Za-z0-9_.:+-]*(/[A-Za-z0-9][A-Za-z0-9_.:+-]*)*$",
        description="serial port: `/dev/ttyAMA0`, `/dev/serial/by-id/usb-...`",
    )
    id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@-]*$",
        description="name under which the kernel lists a part: `28-00000a1b2c3d`, `iio:device0`, `rpi_volt`; default:"
        " the only one of its kind",
    )
    topic: Topic | None = Field(
        default=None, description="topic of a device on the broker, as its own settings call it; no `+` and no `#`"
    )
    every: LongerThanZero | None = Field(default=None, description="time between readings; default: the driver's")
    debounce: Duration = Field(
        default=0.05, description="how long a pin must keep a level for it to count; 0s: every edge counts"
    )
    jump: Jump = Field(
        default={},
        description="how far a reading may be from the last good one, a number or `{channel: number}`; what is further"
        " off is read again, and doubted",
    )
    believe: Duration = Field(default=60.0, description="how long what jumped must hold to be believed")
    frozen: LongerThanZero | None = Field(
        default=None, description="readings whose every bit stays the same for this long are doubted; default: never"
    )
    backend: Backend | None = Field(
        default=None, description="`real`, `sim` or `replay` for this device; default: `edge.backend`"
    )
    remote_set: bool = Field(
        default=False,
        description="whether `edge/<id>/<device>/<channel>/set` may move this output over MQTT; for one that takes its"
        " time (stepper, servo) ten commands may wait",
    )

    @property
    def options(self) -> dict[str, Any]:
        """What the driver itself is to be given; durations in seconds once the file was loaded."""
        return dict(self.model_extra or {})

    @property
    def behind(self) -> str | None:
        """The multiplexer behind one of whose channels it is; None: it is on a bus itself, or on none."""
        multiplexer, channel, _ = (self.bus or "").partition("/")
        return multiplexer if channel else None

    @property
    def traits(self) -> dict[str, Any]:
        """What its channels depend on: the options, and the pins where it has several."""
        return self.options if self.pins is None else {**self.options, "pins": self.pins}

    @property
    def numbers(self) -> dict[str, int]:
        """The header pins it is on: role -> BCM number, the role of the only one being `pin`."""
        return {**({} if self.pin is None else {"pin": self.pin}), **(self.pins or {})}

    @property
    def where(self) -> str | int | dict[str, int] | None:
        """The place that the driver takes: an address, a pin or several, a name, a port, a topic or a chip select."""
        for place in (self.address, self.pin, self.pins, self.id, self.port, self.topic):
            if place is not None:
                return place
        return self.select if self.bus is not None and self.bus.startswith("spi") else None


class DurabilityByClass(Section):
    """`durability:` by what a record is worth; one word stands for all three."""

    alarm: Durability = Field(default="fsync", description="outcomes of tasks with `class: alarm`")
    telemetry: Durability = Field(default="fsync", description="outcomes of all other tasks")
    publish: Durability = Field(default="fsync", description="messages that tasks publish")


def _one_of(value: str, known: tuple[str, ...], otherwise: str) -> None:
    if value not in known:
        hint = did_you_mean(value, known, otherwise)
        raise ValueError(f"the text {shortened(value)} is not one of {', '.join(known)}; {hint}")


def _durability(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    _one_of(value, get_args(Durability), "or write {telemetry: written}")
    return dict.fromkeys(DurabilityByClass.model_fields, value)


def _whole(value: Any) -> Any:
    if value == "thin":
        raise ValueError("thin leaves gaps, which only telemetry can bear; write drop_oldest, drop_newest or block")
    return value


WholePolicy = Annotated[Policy, BeforeValidator(_whole)]


class PolicyByClass(Section):
    """`when_full:` by what a record is worth; one word stands for all three, `thin` for telemetry alone."""

    alarm: WholePolicy = Field(default="drop_oldest", description="outcomes of tasks with `class: alarm`")
    telemetry: TelemetryPolicy = Field(default="drop_oldest", description="outcomes of all other tasks")
    publish: WholePolicy = Field(default="drop_oldest", description="messages in a frame without an outcome")


def _policies(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    _one_of(value, get_args(TelemetryPolicy), "or write {telemetry: thin}")
    return {"telemetry": "thin"} if value == "thin" else dict.fromkeys(PolicyByClass.model_fields, value)


class ExpireByClass(Section):
    """`expire:` by what a record is worth; one duration stands for all three."""

    alarm: LongerThanZero | None = Field(default=None, description="outcomes of tasks with `class: alarm`")
    telemetry: LongerThanZero | None = Field(default=None, description="outcomes of all other tasks")
    publish: LongerThanZero | None = Field(default=None, description="messages that tasks publish")


def _times_to_live(value: Any) -> Any:
    if isinstance(value, Mapping | BaseModel):
        return value
    if not parse_duration(value):
        raise ValueError("0s would give up everything at once; leave expire out where nothing is to expire")
    return dict.fromkeys(ExpireByClass.model_fields, value)


class Encryption(Section):
    """`journal.encrypt:` what the journal writes is closed with AES-256-GCM."""

    key: SecretStr | None = Field(
        default=None,
        description="32 bytes in base64 or hexadecimal digits; write `!secret name`; without it, new files are plain",
    )
    old_keys: list[SecretStr] = Field(default=[], description="keys used before, for files that are still there")


class JournalSection(Section):
    """`journal:` where outcomes are kept until they are delivered, and how much."""

    path: FilePath = Field(default="/var/lib/edge/journal", description="folder; relative to this file")
    max_size: Annotated[Size, Field(ge=64_000)] = Field(default=256_000_000, description="most disk space it may take")
    min_free: Size = Field(default=16_000_000, description="what it leaves free on its disk for everyone else")
    when_full: Annotated[
        PolicyByClass, BeforeValidator(_policies, json_schema_input_type=TelemetryPolicy | PolicyByClass)
    ] = Field(
        default=PolicyByClass(),
        description="what happens then: `drop_oldest` (the default), `drop_newest`, `block`, `thin`; or by class",
    )
    thin_to: Annotated[int, Field(ge=2, le=1000)] = Field(default=10, description="with `thin`: one in so many stays")
    expire: Annotated[
        ExpireByClass, BeforeValidator(_times_to_live, json_schema_input_type=Duration | ExpireByClass)
    ] = Field(
        default=ExpireByClass(),
        description="what waits longer is given up and counted; default: never; or a mapping by class",
    )
    durability: Annotated[
        DurabilityByClass, BeforeValidator(_durability, json_schema_input_type=Durability | DurabilityByClass)
    ] = Field(
        default=DurabilityByClass(),
        description="`fsync` (the default) survives a power cut, `written` a crash, `memory` neither; or by class",
    )
    keep_delivered: Duration = Field(default=86400.0, description="how long delivered outcomes stay readable here")
    keep_delivered_count: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="how many delivered outcomes stay; default: only `keep_delivered` counts"
    )
    keep_dead: Duration = Field(default=30 * 86400.0, description="how long what was refused for good stays")
    table_size: Size = Field(default=8_000_000, description="most that one state table may take")
    tables: Annotated[int, Field(ge=8)] = Field(default=64, description="most state tables")
    encrypt: Encryption | None = Field(default=None, description="keys with which outcomes are encrypted on disk")

    @property
    def keys(self) -> tuple[bytes | None, tuple[bytes, ...]]:
        """The key for new files, and those of older ones; without secrets that nobody had. Raises ValueError."""
        if self.encrypt is None:
            return None, ()
        current, old = _key(self.encrypt.key), map(_key, self.encrypt.old_keys)
        return current, tuple(key for key in old if key is not None)


def _key(secret: SecretStr | None) -> bytes | None:
    text = STAND_IN if secret is None else secret.get_secret_value()
    return None if text == STAND_IN else parse_key(text)


class MqttUpstream(Broker):
    """One upstream: a second broker that outcomes are delivered to."""

    kind: Literal["mqtt"] = Field(description="`mqtt`; this version has no other")
    topic: Topic = Field(
        default="edge/{id}/outcomes", validate_default=True, description="topic of outcomes; `{id}` is filled in"
    )
    batch: Annotated[int, Field(ge=1, le=10_000)] = Field(default=1, description="outcomes in one message, at most")
    every: LongerThanZero | None = Field(default=None, description="longest wait for a batch to fill; default: none")
    window: Annotated[int, Field(ge=1, le=65535)] = Field(default=64, description="messages on their way at once")
    formerly: Name | None = Field(
        default=None, description="the name this upstream had before; it takes over what is pending"
    )


class Metrics(Section):
    """`metrics:` where /metrics and /healthz are served; without this section, nowhere."""

    listen: str = Field(default="127.0.0.1:9464", description="address and port")


class Config(Section):
    """The whole file."""

    edge: EdgeSection = Field(description="who this gateway is")
    mqtt: Mqtt | None = Field(default=None, description="the broker it listens to and publishes on")
    devices: dict[Name, DeviceSettings] = Field(default={}, description="sensors and outputs by name")
    tasks: dict[Name, TaskSettings] = Field(default={}, description="micro-apps by name")
    tools: dict[Name, ToolSettings] = Field(default={}, description="what tasks may be lent besides devices, by name")
    runs: RunsSection = Field(default=RunsSection(), description="how many runs at once")
    on_the_fly: OnTheFly | None = Field(
        default=None, description="what may be installed while it runs; default: nothing"
    )
    journal: JournalSection = Field(default=JournalSection(), description="where outcomes are kept")
    upstream: dict[Name, MqttUpstream] = Field(
        default={}, description="where outcomes go: one mapping (its name is `default`), or several by name"
    )
    metrics: Metrics | None = Field(default=None, description="where metrics are served")

    @model_validator(mode="before")
    @classmethod
    def _one_or_many_upstreams(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and is_one_upstream(data.get("upstream")):
            return {**data, "upstream": {"default": data["upstream"]}}
        return data


def is_one_upstream(data: Any) -> bool:
    """Whether `upstream:` is one mapping of settings, not a mapping of names."""
    return isinstance(data, Mapping) and any(
        not isinstance(value, Mapping) and value is not None for value in data.values()
    )
