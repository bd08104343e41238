"""Mistakes people make in edge.yaml, and what they are told. `# <-` marks the line the problem must name."""

from dataclasses import dataclass

HEAD = "edge: {id: pi}\n"
MQTT = 'mqtt: {broker: "mqtt://localhost", subscribe: {shake: {topic: plant/+/shake}}}\n'
PARTS = """devices:
  oven: {driver: tmp102, bus: i2c-1}
  air: {driver: bme280, bus: i2c-1}
  door: {driver: contact, pin: 17}
  fan: {driver: relay, pin: 27}
"""
SHT31D = "driver: circuitpython, bus: i2c-1, address: 0x44, channels: temperature=degC, "
MUX = "devices:\n  mux: {driver: tca9548a, bus: i2c-1, channels: 4}\n"
CHOSEN = 'devices:\n  adc: {driver: ads1115, bus: i2c-1, inputs: "a0 a2_a3"}\n'
BELL = """devices:
  bell: {driver: button, pin: 5, long: 1s}
  knob: {driver: rotary, pins: {a: 17, b: 27}}
"""


@dataclass(frozen=True)
class Mistake:
    name: str
    text: str
    path: str
    message: str
    hint: str = ""

    @property
    def line(self) -> int:
        return next((n for n, line in enumerate(self.text.splitlines(), 1) if "# <-" in line), 0)


def task(keys: str, above: str = HEAD + MQTT + PARTS) -> str:
    """A file with one task `job` that has these keys, one a line, and a program that exists."""
    return f"{above}tasks:\n  job:\n    run: ./tasks/app.py:run\n    {keys}\n"


def device(keys: str) -> str:
    return f"{HEAD}devices:\n  part: {{{keys}}} # <-\n"


def when(keys: str) -> str:
    return task(f"when: {{{keys}}} # <-")


TEXT = [
    Mistake("duplicate key", HEAD + "edge: {id: other} # <-\n", "edge", "line 1, again on line 2", "delete one"),
    Mistake("tab", "edge:\n\tid: pi # <-\n", "", "a tab", "spaces"),
    Mistake("open quote", 'edge: {id: pi}\nmetrics: {listen: "127} # <-\n', "", "never closed", "close it"),
    Mistake("open bracket", "edge: {id: pi # <-\n", "", "bracket is never closed", "close it with"),
    Mistake("colon in text", HEAD + "mqtt: broker: x # <-\n", "", "a second `: `", "quotes"),
    Mistake("bad start of a value", HEAD + "mqtt: @broker # <-\n", "", "cannot begin like this", "quotes"),
    Mistake("indentation", "edge:\n  id: pi\n backend: sim # <-\n", "", "indentation does not fit", "same column"),
    Mistake("unknown tag", "edge: {id: !env ID} # <-\n", "", "tag '!env' is not known", "!secret"),
    Mistake("alias of nothing", HEAD + "metrics: {listen: *address} # <-\n", "", "*address stands for nothing"),
    Mistake("merge key", "edge:\n  id: pi\n  <<: {backend: sim} # <-\n", "edge.<<", "merge keys", "write the keys out"),
    Mistake("second document", HEAD + "--- # <-\nedge: {id: other}\n", "", "second document"),
    Mistake("key without a value", HEAD + "metrics: # <-\n", "metrics", "nothing stands after metrics:", "{}"),
    Mistake("list as a file", "- edge # <-\n", "", "keys and values, but it is a list", "edge: {id:"),
]

TYPES = [
    Mistake("unknown section", HEAD + "device: {} # <-\n", "device", "no key 'device'", "did you mean 'devices'"),
    Mistake("unknown key", "edge: {id: pi, backand: sim} # <-\n", "edge.backand", "no key", "did you mean 'backend'"),
    Mistake("no edge section", "metrics: {listen: '127.0.0.1:1'} # <-\n", "edge", "edge is missing", "edge: {id:"),
    Mistake("id as a number", "edge: {id: 7} # <-\n", "edge.id", "must be text, not the number 7", 'quotes: "7"'),
    Mistake("id with a slash", "edge: {id: a/b} # <-\n", "edge.id", "'a/b' cannot be a gateway's id", "letters"),
    Mistake("unknown backend", "edge: {id: pi, backend: reel} # <-\n", "edge.backend", "not one of", "'real'"),
    Mistake("section as text", HEAD + "journal: /var/lib # <-\n", "journal", "must be a mapping"),
    Mistake("device name", HEAD + "devices:\n  Front Door: {driver: contact, pin: 4} # <-\n", "devices.Front Door",
            "cannot be a name", "perhaps `front-door`"),
    Mistake("no driver", device("pin: 4"), "devices.part.driver", "driver is missing", "tmp102"),
    Mistake("pin as text", device("driver: contact, pin: '4'"), "devices.part.pin", "whole number", "without quotes"),
    Mistake("yes is text", device("driver: relay, pin: 4, remote_set: yes"), "devices.part.remote_set",
            "must be true or false, not the text 'yes'", "write true"),
    Mistake("every without a unit", device("driver: tmp102, bus: i2c-1, every: 5"), "devices.part.every",
            "5 has no unit", "such as 500ms"),
    Mistake("every with a wrong unit", device("driver: tmp102, bus: i2c-1, every: 5sec"), "devices.part.every",
            "'5sec' is not a duration"),
    Mistake("every is zero", device("driver: tmp102, bus: i2c-1, every: 0s"), "devices.part.every", "more than 0"),
    Mistake("bus name", device("driver: tmp102, bus: 1"), "devices.part.bus", "must be text", "i2c-1"),
    Mistake("bus path", device("driver: tmp102, bus: /dev/i2c-1"), "devices.part.bus", "not a bus", "i2c-1"),
    Mistake("qos 2", HEAD + "mqtt:\n  broker: mqtt://b\n  subscribe: {s: {topic: a, qos: 2}} # <-\n",
            "mqtt.subscribe.s.qos", "a crash could lose it", "qos: 1"),
    Mistake("no broker", HEAD + "mqtt: {user: me} # <-\n", "mqtt.broker", "broker is missing", "mqtt://localhost"),
    Mistake("version as a number", HEAD + "mqtt: {broker: 'mqtt://b', version: 5} # <-\n", "mqtt.version",
            "the number 5 is not one of", 'quotes: "5"'),
    Mistake("dedupe by two", HEAD + "mqtt:\n  broker: mqtt://b\n  subscribe:\n    s:\n      topic: a\n"
            "      dedupe: {property: a, field: b} # <-\n", "mqtt.subscribe.s.dedupe", "exactly one of"),
    Mistake("size without a unit", HEAD + "journal: {max_size: 1000000} # <-\n", "journal.max_size", "no unit"),
    Mistake("journal too small", HEAD + "journal: {max_size: 1KB} # <-\n", "journal.max_size", "at least 64KB",
            "256MB"),
    Mistake("unknown policy", HEAD + "journal: {when_full: thinn} # <-\n", "journal.when_full", "not one of", "'thin'"),
    Mistake("policy of a class", HEAD + "journal:\n  when_full: {telemetry: drop_latest} # <-\n",
            "journal.when_full.telemetry", "not one of drop_oldest, drop_newest, block, thin", "'drop_"),
    Mistake("policy of no class", HEAD + "journal:\n  when_full: {alarms: block} # <-\n", "journal.when_full.alarms",
            "no key", "'alarm'"),
    Mistake("alarms thinned", HEAD + "journal:\n  when_full: {alarm: thin} # <-\n", "journal.when_full.alarm",
            "only telemetry", "write drop_oldest"),
    Mistake("thin_to alone", HEAD + "journal: {thin_to: 5} # <-\n", "journal.thin_to", "telemetry has drop_oldest",
            "when_full: {telemetry: thin}"),
    Mistake("thin_to of one", HEAD + "journal: {when_full: thin, thin_to: 1} # <-\n", "journal.thin_to", "at least 2",
            "10"),
    Mistake("expire without a unit", HEAD + "journal: {expire: 7} # <-\n", "journal.expire", "7 has no unit", "1d"),
    Mistake("expire at once", HEAD + "journal: {expire: 0s} # <-\n", "journal.expire", "everything at once", "leave"),
    Mistake("expire of a class", HEAD + "journal:\n  expire: {publish: 0s} # <-\n", "journal.expire.publish",
            "more than 0", "leave it out"),
    Mistake("expire before it is sent", HEAD + "journal: {expire: 1m}\n"
            "upstream: {kind: mqtt, broker: 'mqtt://b', every: 5m} # <-\n", "upstream.every", "after 1m", "shorter"),
    Mistake("count of nothing", HEAD + "journal: {keep_delivered: 0s, keep_delivered_count: 5} # <-\n",
            "journal.keep_delivered_count", "0s", "delete"),
    Mistake("unknown durability", HEAD + "journal: {durability: ram} # <-\n", "journal.durability",
            "'ram' is not one of fsync, written, memory", "{telemetry: written}"),
    Mistake("durability of a class", HEAD + "journal:\n  durability: {telemetry: writen} # <-\n",
            "journal.durability.telemetry", "not one of fsync, written", "'written'"),
    Mistake("durability of no class", HEAD + "journal:\n  durability: {telemetri: written} # <-\n",
            "journal.durability.telemetri", "no key", "'telemetry'"),
    Mistake("time is zero", task("when: {every: 1m}\n    limits: {time: 0s} # <-"), "tasks.job.limits.time",
            "more than 0"),
    Mistake("negative limit", task("when: {every: 1m}\n    limits: {calls: -1} # <-"), "tasks.job.limits.calls",
            "at least 0"),
    Mistake("limit at the task", task("when: {every: 1m}\n    per_minute: 3 # <-"), "tasks.job.per_minute", "no key",
            "belongs inside limits:"),
    Mistake("cooldown in when", when("every: 1m, cooldown: 5m"), "tasks.job.when.cooldown", "no key",
            "belongs to tasks.job"),
    Mistake("Python's name of a key", when("source: oven, above: 3, for_: 5s"), "tasks.job.when.for_", "no key",
            "did you mean 'for'"),
    Mistake("threshold as text", when("source: oven, above: '30'"), "tasks.job.when.above", "must be a number",
            "without quotes"),
    Mistake("threshold without end", when("source: oven, above: .inf"), "tasks.job.when.above", "finite number"),
    Mistake("equals a list", when("source: shake, equals: [1]"), "tasks.job.when.equals", "text, a number"),
    Mistake("memory without a wall", task("when: {every: 1m}\n    limits: {memory: 16MB} # <-"),
            "tasks.job.limits.memory", "inline cannot limit memory", "engine: sandbox"),
    Mistake("memory for nothing", task("when: {every: 1m}\n    engine: sandbox\n    limits: {memory: 1KB} # <-"),
            "tasks.job.limits.memory", "at least 1MB"),
    Mistake("more memory than it has", task("when: {every: 1m}\n    engine: sandbox\n    limits: {memory: 1GB} # <-"),
            "tasks.job.limits.memory", "at most 128MB", "engine: worker"),
    Mistake("grant as text", task("when: {every: 1m}\n    grant: {devices: fan} # <-"), "tasks.job.grant.devices",
            "must be a list", "[fan]"),
    Mistake("no when", task("cooldown: 5m").replace("  job:", "  job: # <-"), "tasks.job.when", "when is missing",
            "when: {source"),
    Mistake("kind of upstream", HEAD + "upstream: {kind: http, broker: 'mqtt://b'} # <-\n", "upstream.kind",
            "only be mqtt"),
    Mistake("upstream without kind", HEAD + "upstream: {broker: 'mqtt://b'} # <-\n", "upstream.kind",
            "kind is missing", "kind: mqtt"),
    Mistake("batch out of range", HEAD + "upstream: {kind: mqtt, broker: 'mqtt://b', batch: 0} # <-\n",
            "upstream.batch", "at least 1"),
    Mistake("secret in a plain key", HEAD + "mqtt: {broker: 'mqtt://b', user: !secret known} # <-\n", "mqtt.user",
            "a secret cannot stand here", "password"),
]  # fmt: skip

DEVICES = [
    Mistake("unknown driver", device("driver: tmp12, bus: i2c-1"), "devices.part.driver", "no driver called 'tmp12'",
            "did you mean 'tmp102'"),
    Mistake("chip without a bus", device("driver: tmp102"), "devices.part", "bus is missing", "bus: i2c-1"),
    Mistake("chip with a pin", device("driver: tmp102, bus: i2c-1, pin: 4"), "devices.part.pin", "no pin", "delete"),
    Mistake("part without a pin", device("driver: contact"), "devices.part", "pin is missing", "GPIO17"),
    Mistake("part with a bus", device("driver: relay, pin: 4, bus: i2c-1"), "devices.part.bus", "has no bus", "delete"),
    Mistake("pin out of range", device("driver: contact, pin: 40"), "devices.part.pin", "no pin 40", "BCM"),
    Mistake("address out of range", device("driver: tmp102, bus: i2c-1, address: 0x90"), "devices.part.address",
            "0x90 is no I2C address", "then it is 0x48"),
    Mistake("address the chip cannot have", device("driver: tmp102, bus: i2c-1, address: 0x20"),
            "devices.part.address", "it answers at 0x48"),
    Mistake("unknown option", device("driver: contact, pin: 4, pul: up"), "devices.part.pul", "no option 'pul'",
            "did you mean 'pull'"),
    Mistake("wrong option", device("driver: contact, pin: 4, pull: upp"), "devices.part.pull",
            "must be one of 'up', 'down', 'none'"),
    Mistake("options that do not fit", device("driver: contact, pin: 4, pull: none"), "devices.part",
            "needs `active: high`"),
    Mistake("a channel the part has not", device("driver: ads1115, bus: i2c-1, inputs: a0 a9"), "devices.part.inputs",
            "there is no 'a9', only a0, a1", "edge devices kinds ads1115"),
    Mistake("a driver's package is missing", device(SHT31D + "module: adafruit_nothing, class: SHT31D"),
            "devices.part.module", "adafruit_nothing is not installed",
            "`pip install --no-deps adafruit-circuitpython-nothing`"),
    Mistake("a module's class", device(SHT31D + "module: adafruit_sht31d, class: SHT31"), "devices.part.class",
            "adafruit_sht31d has no class 'SHT31'", "did you mean 'SHT31D'"),
    Mistake("an attribute of a class", device(
                "driver: circuitpython, bus: i2c-1, address: 0x44, channels: temprature=degC, module: adafruit_sht31d,"
                " class: SHT31D"), "devices.part.channels", "SHT31D has no attribute 'temprature'",
            "did you mean 'temperature'"),
    Mistake("a part without a stand-in", device(SHT31D + "module: adafruit_sht31d, class: SHT31D, backend: sim"),
            "devices.part", "nothing stands for this circuitpython device in simulation", "sim: sht31"),
    Mistake("a class is missing", device(SHT31D + "module: adafruit_sht31d"), "devices.part",
            "circuitpython needs class: a text", "add class"),
    Mistake("options against each other", device("driver: scd4x, bus: i2c-1, altitude: 400, pressure: 950"),
            "devices.part", "give one of them"),
    Mistake("every on a contact", device("driver: contact, pin: 4, every: 5s"), "devices.part.every",
            "reports by itself", "delete"),
    Mistake("jump on a contact", device("driver: contact, pin: 4, jump: 2"), "devices.part.jump",
            "contact measures nothing that could jump", "delete jump"),
    Mistake("one jump for several units", device("driver: bme280, bus: i2c-1, jump: 2"), "devices.part.jump",
            "several units (temperature, humidity, pressure)",
            "temperature: 2, humidity: 2"),
    Mistake("jump of nothing", device("driver: bme280, bus: i2c-1, jump: {presure: 2}"), "devices.part.jump.presure",
            "does not measure 'presure'", "did you mean 'pressure'"),
    Mistake("jump as a text", device("driver: tmp102, bus: i2c-1, jump: 2degC"), "devices.part.jump", "no distance",
            "write a number"),
    Mistake("no jump at all", device("driver: tmp102, bus: i2c-1, jump: 0"), "devices.part.jump", "doubt every change",
            "leave jump out"),
    Mistake("believe without jump", device("driver: tmp102, bus: i2c-1, believe: 5m"), "devices.part.believe",
            "there is no jump", "add jump"),
    Mistake("frozen at once", device("driver: tmp102, bus: i2c-1, every: 1m, frozen: 1m"), "devices.part.frozen",
            "a reading every 1m cannot stand still within 1m", "at least 2m"),
    Mistake("debounce on a chip", device("driver: tmp102, bus: i2c-1, debounce: 5ms"), "devices.part.debounce",
            "no edges", "delete"),
    Mistake("remote_set on a sensor", device("driver: tmp102, bus: i2c-1, remote_set: true"),
            "devices.part.remote_set", "cannot be set", "delete"),
    Mistake("pin twice", HEAD + PARTS + "  bell: {driver: relay, pin: 17} # <-\n", "devices.bell.pin",
            "pin 17 belongs to door already (line 5)", "one device a pin"),
    Mistake("encoder without pins", device("driver: rotary"), "devices.part",
            "several header pins, and pins is missing", "pins: {a: 17, b: 27}"),
    Mistake("encoder on one pin", device("driver: rotary, pin: 4"), "devices.part.pin", "several header pins; it has"
            " no pin", "write pins: {a: 17, b: 27}"),
    Mistake("contact on pins", device("driver: contact, pins: {a: 4}"), "devices.part.pins", "it has no pins",
            "write pin: 17"),
    Mistake("pin and pins", device("driver: rotary, pin: 4, pins: {a: 17, b: 27}"), "devices.part.pin", "has no pin",
            "delete"),
    Mistake("pins as a list", device("driver: rotary, pins: [17, 27]"), "devices.part.pins", "a mapping"),
    Mistake("pins of a chip", device("driver: tmp102, bus: i2c-1, pins: {a: 4}"), "devices.part.pins", "has no pins",
            "delete"),
    Mistake("misspelt role", device("driver: rotary, pins: {a: 17, b: 27, buton: 22}"), "devices.part.pins.buton",
            "rotary has no pin 'buton'", "did you mean 'button'"),
    Mistake("role without a pin", device("driver: rotary, pins: {a: 17}"), "devices.part.pins", "needs a pin for b",
            "add b"),
    Mistake("role's pin out of range", device("driver: rotary, pins: {a: 17, b: 40}"), "devices.part.pins.b",
            "no pin 40", "BCM"),
    Mistake("role's pin as text", device("driver: rotary, pins: {a: 17, b: '27'}"), "devices.part.pins.b",
            "whole number", "without quotes"),
    Mistake("one pin for two roles", device("driver: rotary, pins: {a: 17, b: 17}"), "devices.part.pins.b",
            "pin 17 belongs to its a already", "one role a pin"),
    Mistake("role's pin taken", HEAD + PARTS + "  knob: {driver: rotary, pins: {a: 5, b: 27}} # <-\n",
            "devices.knob.pins.b", "pin 27 belongs to fan already (line 6)", "one device a pin"),
    Mistake("pin taken by a role", HEAD + "devices:\n  knob: {driver: rotary, pins: {a: 5, b: 6}}\n"
            "  bell: {driver: button, pin: 6} # <-\n", "devices.bell.pin", "pin 6 belongs to knob already (line 3)"),
    Mistake("role on a pin of the SPI bus", HEAD + "devices:\n  knob: {driver: rotary, pins: {a: 9, b: 6}}\n"
            "  adc: {driver: mcp3008, bus: spi-0} # <-\n", "devices.adc.bus", "GPIO9 as well, which belongs to knob",
            "another pin"),
    Mistake("steps of a detent", device("driver: rotary, pins: {a: 17, b: 27}, steps_per_detent: 3"),
            "devices.part.steps_per_detent", "must be one of 1, 2, 4"),
    Mistake("debounce of a knob without a button",
            device("driver: rotary, pins: {a: 17, b: 27}, debounce: 5ms"), "devices.part.debounce",
            "is for the pin button", "delete"),
    Mistake("no time for a double click", device("driver: button, pin: 4, double: 0s"), "devices.part",
            "double must be longer than 0s"),
    Mistake("double click without its unit", device("driver: button, pin: 4, double: 400"), "devices.part.double",
            "400 is not a duration", "50ms"),
    Mistake("address twice", HEAD + PARTS + "  also: {driver: tmp102, bus: i2c-1, address: 0x48} # <-\n",
            "devices.also.address", "0x48 on i2c-1 belongs to oven"),
    Mistake("behind nothing", device("driver: tmp102, bus: max/3"), "devices.part.bus",
            "channel 3 of 'max', and there is no such device", "driver: tca9548a"),
    Mistake("behind a misspelt multiplexer", HEAD + MUX + "  part: {driver: tmp102, bus: mix/3} # <-\n",
            "devices.part.bus", "channel 3 of 'mix'", "did you mean 'mux'"),
    Mistake("behind a sensor", HEAD + PARTS + "  part: {driver: tmp102, bus: oven/0} # <-\n", "devices.part.bus",
            "oven is a tmp102", "only a multiplexer"),
    Mistake("no such channel", HEAD + MUX + "  part: {driver: tmp102, bus: mux/4} # <-\n", "devices.part.bus",
            "channels 0 to 3; there is no 4", "count from 0"),
    Mistake("channel nine", HEAD + MUX + "  part: {driver: tmp102, bus: mux/9} # <-\n", "devices.part.bus",
            "not a bus", "mux/3"),
    Mistake("SPI chip behind a multiplexer", HEAD + MUX + "  part: {driver: mcp3008, bus: mux/0} # <-\n",
            "devices.part.bus", "on an SPI bus, and mux/0 is none", "bus: spi-0"),
    Mistake("multiplexer behind a multiplexer", HEAD + MUX + "  part: {driver: tca9548a, address: 0x71, bus: mux/0}"
            " # <-\n", "devices.part.bus", "not supported", "0x70 to 0x77"),
    Mistake("one address before and behind a multiplexer", HEAD + MUX + "  part: {driver: tmp102, bus: i2c-1}\n"
            "  also: {driver: tmp102, bus: mux/0} # <-\n", "devices.also.address",
            "0x48 belongs to part on i2c-1 itself (line 4): both would answer", "behind a channel too"),
    Mistake("one address behind one channel twice", HEAD + MUX + "  part: {driver: tmp102, bus: mux/0}\n"
            "  also: {driver: tmp102, bus: mux/0} # <-\n", "devices.also.address", "0x48 on mux/0 belongs to part",
            "one device"),
    Mistake("half of it real", HEAD + MUX.replace("channels: 4", "channels: 4, backend: real")
            + "  part: {driver: tmp102, bus: mux/0, backend: sim} # <-\n",
            "devices.part.bus", "another backend than mux", "together"),
    Mistake("SPI chip on an I2C bus", device("driver: mcp3008, bus: i2c-1"), "devices.part.bus", "i2c-1 is none",
            "bus: spi-0"),
    Mistake("I2C chip on an SPI bus", device("driver: tmp102, bus: spi-0"), "devices.part.bus", "spi-0 is none",
            "bus: i2c-1"),
    Mistake("no such SPI bus", device("driver: mcp3008, bus: spi-1"), "devices.part.bus", "not a bus", "spi-0"),
    Mistake("SPI chip with an address", device("driver: mcp3008, bus: spi-0, address: 0x10"), "devices.part.address",
            "is a chip on an SPI bus; it has no address", "delete"),
    Mistake("chip select out of range", device("driver: mcp3008, bus: spi-0, select: 2"), "devices.part.select",
            "no chip select 2", "CE1"),
    Mistake("I2C chip with a chip select", device("driver: tmp102, bus: i2c-1, select: 0"), "devices.part.select",
            "has no select", "delete"),
    Mistake("serial part without a port", device("driver: pms5003"), "devices.part", "port is missing", "/dev/tty"),
    Mistake("serial part with a pin", device("driver: mhz19, port: ttyAMA0, pin: 4"), "devices.part.pin",
            "talks over a serial port", "delete"),
    Mistake("serial port", device("driver: mhz19, port: 'COM 3'"), "devices.part.port", "cannot be a serial port",
            "/dev/serial/by-id"),
    Mistake("wrong mode", device("driver: pms5003, port: ttyAMA0, mode: pasive"), "devices.part.mode",
            "must be one of 'passive', 'active'", "did you mean 'passive'"),
    Mistake("path as the id", device("driver: ds18b20, id: /sys/bus/w1"), "devices.part.id", "cannot be the name",
            "folder's name"),
    Mistake("kernel's part on a bus", device("driver: ds18b20, bus: i2c-1"), "devices.part.bus",
            "is read through the kernel; it has no bus", "delete"),
    Mistake("chip with an id", device("driver: tmp102, bus: i2c-1, id: x"), "devices.part.id", "has no id", "delete"),
    Mistake("channels as a list", device("driver: iio, channels: [temperature]"), "devices.part.channels", "a text"),
    Mistake("unknown IIO channel", device("driver: iio, channels: temprature"), "devices.part",
            "did you mean 'temperature'"),
    Mistake("no channels", device("driver: iio, channels: ''"), "devices.part", "names nothing to read", "options"),
    Mistake("unknown hwmon channel", device("driver: hwmon, channels: temperature"), "devices.part", "like temp1"),
    Mistake("reference of an ADC", device("driver: mcp3008, bus: spi-0, reference: 12"), "devices.part",
            "0.25 to 5.5 V"),
    Mistake("port twice", HEAD + "devices:\n  dust: {driver: pms5003, port: ttyAMA0}\n"
            "  co2: {driver: mhz19, port: /dev/ttyAMA0} # <-\n", "devices.co2.port", "belongs to dust already",
            "one device"),
    Mistake("chip select twice", HEAD + "devices:\n  adc: {driver: mcp3008, bus: spi-0}\n"
            "  oven: {driver: max31855, bus: spi-0} # <-\n", "devices.oven.select", "chip select 0 of spi-0 belongs",
            "one device"),
    Mistake("pin of the SPI bus", HEAD + "devices:\n  bell: {driver: relay, pin: 9}\n"
            "  adc: {driver: mcp3008, bus: spi-0} # <-\n", "devices.adc.bus", "GPIO9 as well, which belongs to bell",
            "another pin"),
    Mistake("name of the runtime's own", HEAD + "devices:\n  status: {driver: contact, pin: 4} # <-\n",
            "devices.status", "a topic of the runtime's own", "another name"),
    Mistake("name taken", HEAD + MQTT + "devices:\n  shake: {driver: contact, pin: 4} # <-\n", "devices.shake",
            "mqtt.subscribe.shake on line 2", "rename"),
]  # fmt: skip

BROKER = 'mqtt: {broker: "mqtt://localhost"}\n'
TWINS = """devices:
  plug: {driver: tasmota, topic: plug1, channels: "on power"}
  meter: {driver: tasmota, topic: plug1, channels: power} # <-
"""


def hung(keys: str) -> str:
    return f"{HEAD}{BROKER}devices:\n  part: {{{keys}}} # <-\n"


PLAYED = hung("driver: tasmota, topic: plug1, backend: replay").replace("pi}", "pi, recording: edge.yaml}")
ON_THE_BROKER = [
    Mistake("no broker for a plug", device("driver: tasmota, topic: plug1"), "devices.part", "none is configured",
            "add mqtt:"),
    Mistake("plug without a topic", hung("driver: tasmota"), "devices.part", "topic is missing", "topic: plug1"),
    Mistake("topic with a wildcard", hung("driver: tasmota, topic: plug/+"), "devices.part.topic", "has a wildcard",
            "mqtt.subscribe"),
    Mistake("topic of a chip", device("driver: tmp102, bus: i2c-1, topic: a"), "devices.part.topic", "has no topic",
            "delete topic"),
    Mistake("bus of a plug", hung("driver: tasmota, topic: plug1, bus: i2c-1"), "devices.part.bus", "has no bus",
            "delete bus"),
    Mistake("plug asked at intervals", hung("driver: tasmota, topic: plug1, every: 5s"), "devices.part.every",
            "reports by itself", "delete every"),
    Mistake("two devices on one topic", HEAD + BROKER + TWINS, "devices.meter.topic",
            "power of plug1 belongs to plug already", "another relay"),
    Mistake("channel of no plug", hung("driver: tasmota, topic: plug1, channels: powr"), "devices.part.channels",
            "knows no 'powr'", "did you mean 'power'"),
    Mistake("sensor without a unit", hung("driver: esphome, topic: tank, channels: sensor/level"),
            "devices.part.channels", "sensor/level=mm", "edge devices kinds esphome"),
    Mistake("zigbee lamp with a safe brightness beyond its range",
            hung("driver: zigbee2mqtt, topic: lamp, channels: on brightness, safe: 900"), "devices.part.safe",
            "0 to 100"),
    Mistake("zigbee device without channels", hung("driver: zigbee2mqtt, topic: lamp"), "devices.part",
            "needs channels", "add channels"),
    Mistake("remote_set of a thermometer",
            hung("driver: zigbee2mqtt, topic: air, channels: temperature, remote_set: true"),
            "devices.part.remote_set", "it cannot be set", "delete remote_set"),
    Mistake("silence without a unit", hung("driver: tasmota, topic: plug1, stale: 300"), "devices.part.stale",
            "300 is not", "unit"),
    Mistake("task on a channel the plug was not asked for",
            f"{HEAD}{BROKER}devices: {{plug: {{driver: tasmota, topic: plug1}}}}\ntasks:\n  job:\n"
            "    run: ./tasks/app.py:run\n    when: {source: plug, channel: power, above: 5} # <-\n",
            "tasks.job.when.channel", "no channel 'power'", "its channels: on"),
    Mistake("jump of what cannot be asked", hung("driver: tasmota, topic: plug1, channels: power, jump: {power: 5}"),
            "devices.part.jump", "speaks when it likes", "delete jump"),
    Mistake("plug played back", PLAYED, "devices.part", "nothing is recorded", "backend: sim"),
]  # fmt: skip

TRIGGERS = [
    Mistake("unknown source", when("source: ovn"), "tasks.job.when.source", "called 'ovn'", "did you mean 'oven'"),
    Mistake("unknown channel", when("source: oven, channel: temperatur"), "tasks.job.when.channel", "no channel",
            "did you mean 'temperature'"),
    Mistake("a channel that is not measured",
            task("when: {source: adc, channel: a1, above: 3} # <-", HEAD + CHOSEN), "tasks.job.when.channel",
            "adc (ads1115) has no channel 'a1'", "a0, a2_a3"),
    Mistake("which of the chosen channels", task("when: {source: adc, above: 3} # <-", HEAD + CHOSEN), "tasks.job.when",
            "several channels", "a0, a2_a3"),
    Mistake("channel that was not asked for", task("when: {source: hut, channel: pressure} # <-",
            HEAD + "devices:\n  hut: {driver: iio, channels: temperature humidity}\n"), "tasks.job.when.channel",
            "hut (iio) has no channel 'pressure'", "temperature"),
    Mistake("which channel", when("source: air, above: 30"), "tasks.job.when", "several channels", "humidity"),
    Mistake("field of a device", when("source: oven, field: temperature"), "tasks.job.when.field", "have channels",
            "temperature"),
    Mistake("channel of a message", when("source: shake, channel: rms, above: 3"), "tasks.job.when.channel",
            "fields, not channels", "field: rms"),
    Mistake("edge of a chip", when("source: oven, edge: rising"), "tasks.job.when.edge", "no edges", "above"),
    Mistake("channel of an option not given",
            task("when: {source: bell, channel: double, edge: rising} # <-", HEAD + BELL), "tasks.job.when.channel",
            "bell (button) has no channel 'double'", "pressed, click, long"),
    Mistake("click without a condition", task("when: {source: bell, channel: click} # <-", HEAD + BELL),
            "tasks.job.when.channel", "false again at the next press", "add edge: rising"),
    Mistake("edge of a number", task("when: {source: knob, channel: position, edge: rising} # <-", HEAD + BELL),
            "tasks.job.when.edge", "position of knob is a number", "above"),
    Mistake("button that is not connected",
            task("when: {source: knob, channel: pressed, edge: rising} # <-", HEAD + BELL), "tasks.job.when.channel",
            "knob (rotary) has no channel 'pressed'", "position, turned"),
    Mistake("equals text of a click", task("when: {source: bell, channel: click, equals: 'true'} # <-", HEAD + BELL),
            "tasks.job.when.equals", "gives true or false", "without quotes"),
    Mistake("edge of a message", when("source: shake, edge: rising"), "tasks.job.when.edge", "belong to pins"),
    Mistake("above and below", when("source: oven, above: 30, below: 10"), "tasks.job.when.below", "inside or outside",
            "two tasks"),
    Mistake("two conditions", when("source: door, equals: true, edge: rising"), "tasks.job.when.edge",
            "at most one condition"),
    Mistake("clear above", when("source: oven, above: 30, clear: 32"), "tasks.job.when.clear",
            "must not be higher than above 30", "clear: 29"),
    Mistake("clear below", when("source: oven, below: 3, clear: 2"), "tasks.job.when.clear",
            "must not be lower than below 3", "clear: 4"),
    Mistake("clear alone", when("source: oven, clear: 2"), "tasks.job.when.clear", "there is neither", "delete"),
    Mistake("for alone", when("source: oven, for: 5s"), "tasks.job.when.for", "there is none", "above, below"),
    Mistake("doubtful messages", when("source: shake, doubtful: true"), "tasks.job.when.doubtful",
            "only readings are doubted", "delete doubtful"),
    Mistake("each alone", when("source: oven, each: true"), "tasks.job.when.each", "belongs to a condition", "delete"),
    Mistake("equals text", when("source: door, equals: 'true'"), "tasks.job.when.equals", "gives true or false",
            "without quotes"),
    Mistake("source and schedule", when("source: oven, every: 5m"), "tasks.job.when.every", "a source and a schedule",
            "two tasks"),
    Mistake("two schedules", when("every: 5m, cron: '0 * * * *'"), "tasks.job.when.cron", "every and cron"),
    Mistake("condition on a schedule", when("every: 5m, above: 3"), "tasks.job.when.above", "carries no values"),
    Mistake("condition without a source", when("above: 3"), "tasks.job.when", "above without a source", "source:"),
    Mistake("nothing", when(""), "tasks.job.when", "nothing starts this task", "every: 1m"),
    Mistake("timezone alone", when("every: 5m, timezone: Europe/Vienna"), "tasks.job.when.timezone", "belongs to cron"),
    Mistake("unknown timezone", when("cron: '0 5 * * *', timezone: Europe/Viena"), "tasks.job.when.timezone",
            "no time zone called 'Europe/Viena'", "'Europe/Vienna'"),
    Mistake("bad cron", when("cron: '99 * * * *'"), "tasks.job.when.cron", "no cron expression", "2:30 every night"),
    Mistake("unknown grant", task("when: {every: 1m}\n    grant: {devices: [fna]} # <-"), "tasks.job.grant.devices",
            "no device called 'fna'", "did you mean 'fan'"),
    Mistake("source as a grant", task("when: {every: 1m}\n    grant: {devices: [shake]} # <-"),
            "tasks.job.grant.devices", "no device called 'shake'", "MQTT source"),
    Mistake("grant on a line of its own", task("when: {every: 1m}\n    grant:\n      devices:\n        - fan\n"
            "        - oen # <-"), "tasks.job.grant.devices", "'oen'", "did you mean 'oven'"),
]  # fmt: skip

SCHEDULED = f"{HEAD}tasks:\n  job:\n    when: {{every: 1m}}\n"
PROGRAMS = [
    Mistake("file missing", SCHEDULED + "    run: ./tasks/ap.py:run # <-\n", "tasks.job.run", "there is no file",
            "did you mean 'app.py'"),
    Mistake("function missing", SCHEDULED + "    run: ./tasks/app.py:rnu # <-\n", "tasks.job.run",
            "no function 'rnu'", "did you mean 'run'"),
    Mistake("function not marked", SCHEDULED + "    run: ./tasks/app.py:plain # <-\n", "tasks.job.run",
            "not marked @task", "from edge import task"),
    Mistake("which function", SCHEDULED + "    run: ./tasks/app.py # <-\n", "tasks.job.run",
            "several functions are marked", "app.py:FUNCTION"),
    Mistake("async", SCHEDULED + "    run: ./tasks/app.py:later # <-\n", "tasks.job.run", "is async", "def, not async"),
    Mistake("arguments", SCHEDULED + "    run: ./tasks/app.py:lonely # <-\n", "tasks.job.run", "two arguments",
            "def lonely(event: Event, ctx: Context)"),
    Mistake("outside", SCHEDULED + "    run: ../app.py:run # <-\n", "tasks.job.run", "outside", "below the folder"),
    Mistake("not a file of Python", SCHEDULED + "    run: ./tasks/app.txt:run # <-\n", "tasks.job.run",
            "neither a .py file nor a packaged task", "./tasks/FILE.py"),
    Mistake("not packaged", SCHEDULED.replace("  job:", "  job: # <-"), "tasks.job", "no packaged task 'job'",
            "runs your own"),
]  # fmt: skip

LINKS = [
    Mistake("broker without a scheme", HEAD + "mqtt: {broker: localhost:1883} # <-\n", "mqtt.broker",
            "not a broker's address", "mqtt://localhost:1883"),
    Mistake("scheme of others", HEAD + "mqtt: {broker: 'ssl://b:8883'} # <-\n", "mqtt.broker", "not ssl://", "mqtts://"),
    Mistake("port", HEAD + "mqtt: {broker: 'mqtt://b:99999'} # <-\n", "mqtt.broker", "1 to 65535", "leave it out"),
    Mistake("path after the port", HEAD + "mqtt: {broker: 'mqtt://b:1883/topic'} # <-\n", "mqtt.broker", "nothing may"),
    Mistake("host", HEAD + "mqtt: {broker: 'mqtt://:1883'} # <-\n", "mqtt.broker", "host is missing", "localhost"),
    Mistake("TLS file over plain mqtt", HEAD + "mqtt: {broker: 'mqtt://b', ca: tasks/app.py} # <-\n", "mqtt.ca",
            "ca is for TLS", "mqtts://"),
    Mistake("TLS file missing", HEAD + "mqtt: {broker: 'mqtts://b', ca: ca.pem} # <-\n", "mqtt.ca", "there is no file",
            "relative paths"),
    Mistake("certificate without a key", HEAD + "mqtt: {broker: 'mqtts://b', cert: tasks/app.py} # <-\n", "mqtt.cert",
            "cert needs key"),
    Mistake("password without a user", HEAD + "mqtt: {broker: 'mqtts://b', password: x} # <-\n", "mqtt.password",
            "needs a user", "user: NAME"),
    Mistake("filter", HEAD + "mqtt:\n  broker: mqtt://b\n  subscribe: {s: {topic: 'a/#/b'}} # <-\n",
            "mqtt.subscribe.s.topic", "must be the last level"),
    Mistake("half a level", HEAD + "mqtt:\n  broker: mqtt://b\n  subscribe: {s: {topic: 'a/b+'}} # <-\n",
            "mqtt.subscribe.s.topic", "whole levels"),
    Mistake("filter twice", HEAD + "mqtt:\n  broker: mqtt://b\n  subscribe:\n    s: {topic: a}\n"
            "    t: {topic: a} # <-\n",
            "mqtt.subscribe.t.topic", "s has the same filter", "source: s"),
    Mistake("wildcard upstream", HEAD + "upstream: {kind: mqtt, broker: 'mqtt://b', topic: 'a/+'} # <-\n",
            "upstream.topic", "wildcards"),
    Mistake("placeholder", HEAD + "upstream: {kind: mqtt, broker: 'mqtt://b', topic: 'a/{name}'} # <-\n",
            "upstream.topic", "{name} is not filled in", "{id}"),
    Mistake("publish to nobody", task("when: {every: 1m}\n    grant: {publish: [a]} # <-", HEAD),
            "tasks.job.grant.publish", "no broker to publish to", "add mqtt:"),
    Mistake("publish to the broker", task("when: {every: 1m}\n    grant: {publish: ['$SYS/a']} # <-"),
            "tasks.job.grant.publish", "belong to the broker"),
    Mistake("formerly itself", HEAD + "upstream:\n  a: {kind: mqtt, broker: 'mqtt://b', formerly: a} # <-\n",
            "upstream.a.formerly", "names itself"),
    Mistake("formerly another", HEAD + "upstream:\n  a: {kind: mqtt, broker: 'mqtt://b'}\n"
            "  c: {kind: mqtt, broker: 'mqtt://b', formerly: a} # <-\n", "upstream.c.formerly", "still configured"),
    Mistake("formerly twice", HEAD + "upstream:\n  a: {kind: mqtt, broker: 'mqtt://b', formerly: x}\n"
            "  c: {kind: mqtt, broker: 'mqtt://b', formerly: x} # <-\n", "upstream.c.formerly", "a takes over"),
    Mistake("listen", HEAD + "metrics: {listen: 9464x} # <-\n", "metrics.listen", "an address and a port", "127.0.0.1"),
    Mistake("outcomes that come back", task("when: {source: shake}")
            + "upstream: {kind: mqtt, broker: 'mqtt://localhost:1883', topic: plant/1/shake} # <-\n",
            "upstream.topic", "without end"),
    Mistake("missing secret", HEAD + "mqtt: {broker: 'mqtt://b', user: me, password: !secret nobody} # <-\n",
            "mqtt.password", "no secret 'nobody'", "EDGE_SECRET_NOBODY"),
]  # fmt: skip

LIMITS = [
    Mistake("max_runs without parallel", task("when: {source: shake}\n    max_runs: 2 # <-"), "tasks.job.max_runs",
            "is for mode: parallel", "delete this key"),
    Mistake("burst without a rate", task("when: {source: shake}\n    limits: {burst: 2} # <-"),
            "tasks.job.limits.burst", "there is no rate", "per_minute"),
    Mistake("burst above the rate", task("when: {source: shake}\n    limits: {per_hour: 5, burst: 6} # <-"),
            "tasks.job.limits.burst", "never comes: per_hour is 5", "at most 5"),
    Mistake("retries of nothing", task("when: {source: shake}\n    retries: {transient: 0} # <-"),
            "tasks.job.retries", "nothing is ever tried again", "delete retries"),
    Mistake("retries that shrink", task("when: {source: shake}\n    retries: {backoff: 2m} # <-"),
            "tasks.job.retries.longest", "shorter than the first one, 2m", "at least 2m"),
    Mistake("breaker that nothing opens", task("when: {source: shake}\n    breaker: {timeouts: 0, failures: 0} # <-"),
            "tasks.job.breaker", "nothing opens this breaker", "delete breaker"),
    Mistake("breaker that looks at nothing", task("when: {source: shake}\n    breaker: {failures: 0, of: 5} # <-"),
            "tasks.job.breaker.of", "failures is 0", "delete of"),
    Mistake("breaker that shrinks", task("when: {source: shake}\n    breaker: {pause: 2m, longest: 1m} # <-"),
            "tasks.job.breaker.longest", "shorter than the first one, 2m", "at least 2m"),
]  # fmt: skip

PROVISIONS = [
    Mistake("readings of nobody", task("when: {every: 1m}\n    readings: [oven, dor] # <-"), "tasks.job.readings",
            "no device called 'dor'", "did you mean 'door'"),
    Mistake("readings of a source", task("when: {every: 1m}\n    readings: [shake] # <-"), "tasks.job.readings",
            "no device called 'shake'", "MQTT source"),
    Mistake("secret for a task", task("when: {every: 1m}\n    config: {token: !secret known} # <-"),
            "tasks.job.config.token", "a secret cannot stand here", "tool"),
    Mistake("config without end", task("when: {every: 1m}\n    config: {list: [1, .inf]} # <-"),
            "tasks.job.config.list", "is not JSON", "finite"),
    Mistake("config beyond 64 bits", task("when: {every: 1m}\n    config: {n: 99999999999999999999} # <-"),
            "tasks.job.config.n", "beyond 64 bits", "quotes"),
    Mistake("check that is no expression", task("when: {every: 1m}\n    check: result.celsius < # <-"),
            "tasks.job.check", "this is no expression", "result.celsius < 80"),
    Mistake("check with a word too much", task("when: {every: 1m}\n    check: open('a') == result # <-"),
            "tasks.job.check", "may not stand in an expression", "comparisons"),
    Mistake("check with an unknown name", task("when: {every: 1m}\n    check: reslt > 3 # <-"), "tasks.job.check",
            "there is no 'reslt' here", "did you mean 'result'"),
    Mistake("check with an unknown field", task("when: {every: 1m}\n    check: event.topics == 'a' # <-"),
            "tasks.job.check", "event has no 'topics'", "did you mean 'topic'"),
    Mistake("check by no file", task("when: {every: 1m}\n    check: ./tasks/ap.py:plain # <-"), "tasks.job.check",
            "there is no file", "did you mean 'app.py'"),
    Mistake("check by no function", task("when: {every: 1m}\n    check: ./tasks/app.py:plian # <-"),
            "tasks.job.check", "no function 'plian'", "did you mean 'plain'"),
    Mistake("check by a file alone", task("when: {every: 1m}\n    check: ./tasks/app.py # <-"), "tasks.job.check",
            "function is missing", "there are"),
    Mistake("check of one argument", task("when: {every: 1m}\n    check: ./tasks/app.py:lonely # <-"),
            "tasks.job.check", "two arguments", "def lonely(result, event)"),
    Mistake("code beside the sandbox", task("when: {every: 1m}\n    engine: sandbox\n"
            "    check: ./tasks/app.py:plain # <-"), "tasks.job.check", "outside the sandbox", "expression"),
    Mistake("observer in no file", HEAD + "runs: {observers: [slow]} # <-\n", "runs.observers", "names no file",
            "./observers/FILE.py:CLASS"),
    Mistake("observer that is not there", HEAD + "runs: {observers: ['./tasks/app.py:Watchin']} # <-\n",
            "runs.observers", "no class 'Watchin'", "did you mean 'Watching'"),
    Mistake("observer that is none", HEAD + "runs: {observers: ['./tasks/app.py:Lonesome']} # <-\n",
            "runs.observers", "Lonesome is no Observer", "from edge import Observer"),
    Mistake("observer outside", HEAD + "runs: {observers: ['../slow.py:Slow']} # <-\n", "runs.observers", "outside",
            "below the folder"),
]  # fmt: skip

MEMORY = [
    Mistake("memory as a yes", task("when: {every: 1m}\n    memory: true # <-"), "tasks.job.memory",
            "must be a mapping", "memory: {key: value}"),
    Mistake("memory of nothing", task("when: {every: 1m}\n    memory: {size: 10B} # <-"), "tasks.job.memory.size",
            "at least 1KB", "256KB"),
    Mistake("recall of what is not kept", task("when: {every: 1m}\n    memory: {entries: 10, recall: 20} # <-"),
            "tasks.job.memory.recall", "wants 20 entries and the memory keeps 10", "recall: 10"),
    Mistake("memory larger than a table", HEAD + "journal: {table_size: 300KB}\n"
            + task("when: {every: 1m}\n    memory: {size: 256KB} # <-", ""), "tasks.job.memory",
            "takes up to 340KB of a table, and journal.table_size is 300KB", "a larger journal.table_size"),
    Mistake("memories larger than the journal", HEAD + "journal: {max_size: 1MB} # <-\n"
            + task("when: {every: 1m}\n    memory: {}", ""), "journal.max_size",
            "up to 340KB, and state tables an eighth of max_size: 125KB", "max_size: 2700KB, or a smaller memory.size"),
    Mistake("more memories than tables", HEAD + "journal: {tables: 8} # <-\n"
            + task("when: {every: 1m}\n    memory: {}", ""), "journal.tables",
            "1 memories and kv tools need a table each", "tables: 9"),
]  # fmt: skip


def tool(keys: str) -> str:
    return f"{HEAD}tools:\n  part: {{{keys}}} # <-\n"


def lent(keys: str) -> str:
    """A task with these keys, where the tools `weather` and `state` are configured."""
    tools = "tools:\n  weather: {kind: http, hosts: [a.example]}\n  state: {kind: kv}\n"
    return task(f"when: {{every: 1m}}\n    {keys} # <-", HEAD + tools)


TOOLS = [
    Mistake("kind of tool", tool("kind: htp"), "tools.part.kind", "'htp' is not one of http, kv, sql, shell",
            "did you mean 'http'"),
    Mistake("tool without kind", tool("hosts: [a.example]"), "tools.part.kind", "kind is missing",
            "`kind: http or kv or sql or shell`"),
    Mistake("kind as a number", tool("kind: 7"), "tools.part.kind", "the number 7 is not one of"),
    Mistake("tool as text", HEAD + "tools: {part: http} # <-\n", "tools.part", "a mapping of keys", "part: {key"),
    Mistake("key of another kind", tool("kind: kv, hosts: [a.example]"), "tools.part.hosts", "no key 'hosts'",
            "hosts belongs to kind: http"),
    Mistake("misspelt key of a kind", tool("kind: kv, entrys: 5"), "tools.part.entrys", "no key", "'entries'"),
    Mistake("key of a task", tool("kind: kv, cooldown: 5s"), "tools.part.cooldown", "no key", "known here: "),
    Mistake("no servers", tool("kind: http"), "tools.part.hosts", "hosts is missing", "[api.example]"),
    Mistake("an empty list of servers", tool("kind: http, hosts: []"), "tools.part.hosts", "must be not empty"),
    Mistake("one server", tool("kind: http, hosts: a.example"), "tools.part.hosts", "must be a list", "[a.example]"),
    Mistake("method", tool("kind: http, hosts: [a.example], methods: [get]"), "tools.part.methods",
            "'get' is not one of GET", "did you mean 'GET'"),
    Mistake("timeout of a kind", tool("kind: kv, timeout: 5"), "tools.part.timeout", "5 has no unit"),
    Mistake("entries of a kind", tool("kind: kv, entries: 0"), "tools.part.entries", "at least 1", "1000"),
    Mistake("server as a URL", tool("kind: http, hosts: ['https://a.example/x']"), "tools.part.hosts",
            "only the server", "without https://"),
    Mistake("server with a wildcard", tool("kind: http, hosts: ['*.example']"), "tools.part.hosts", "names are exact"),
    Mistake("server with a user", tool("kind: http, hosts: ['me@a.example']"), "tools.part.hosts", "headers"),
    Mistake("server in another alphabet", tool("kind: http, hosts: [bücher.example]"), "tools.part.hosts",
            "beyond a to z", "xn--"),
    Mistake("server as odd number", tool("kind: http, hosts: ['0x7f.1']"), "tools.part.hosts",
            "no address", "192.0.2.7"),
    Mistake("a number among servers", tool("kind: http, hosts: [7]"), "tools.part.hosts", "must be text", "quotes"),
    Mistake("server with a bad port", tool("kind: http, hosts: ['a.example:99999']"), "tools.part.hosts", "1 to 65535"),
    Mistake("IPv6 without brackets", tool("kind: http, hosts: ['2001:db8::7']"), "tools.part.hosts", "brackets"),
    Mistake("header of the connection", tool("kind: http, hosts: [a.example], headers: {Host: b}"),
            "tools.part.headers.Host", "not yours to set"),
    Mistake("header of two lines", tool('kind: http, hosts: [a.example], headers: {x: "a\\nb"}'),
            "tools.part.headers.x", "on one line"),
    Mistake("header as a number", tool("kind: http, hosts: [a.example], headers: {x: 7}"), "tools.part.headers.x",
            "must be text", "in quotes"),
    Mistake("authority missing", tool("kind: http, hosts: [a.example], ca: ca.pem"), "tools.part.ca", "no file"),
    Mistake("value larger than a table", tool("kind: kv, value: 9MB"), "tools.part.value", "a whole table, 8MB"),
    Mistake("no database", tool("kind: sql"), "tools.part.file", "file is missing", "./workshop.db"),
    Mistake("no commands", tool("kind: shell, commands: {}"), "tools.part.commands", "not empty"),
    Mistake("command without a program", tool("kind: shell, commands: {up: []}"), "tools.part.commands.up",
            "not empty"),
    Mistake("command as text", tool("kind: shell, commands: {up: uptime}"), "tools.part.commands.up",
            "must be a list", "[uptime]"),
    Mistake("program chosen by a task", tool('kind: shell, commands: {up: ["{}"]}'), "tools.part.commands.up",
            "which no task chooses"),
    Mistake("argument inside a word", tool('kind: shell, commands: {up: [ping, "-c{}"]}'), "tools.part.commands.up",
            "a whole argument"),
    Mistake("unknown tool", lent("grant: {tools: [wether]}"), "tasks.job.grant.tools", "no tool called 'wether'",
            "did you mean 'weather'"),
    Mistake("tool where there is none", task("when: {every: 1m}\n    grant: {tools: [a]} # <-"),
            "tasks.job.grant.tools", "no tool called 'a'", "add it to tools:"),
    Mistake("unknown denial", lent('grant: {tools: ["*"], deny_tools: [stat]}'), "tasks.job.grant.deny_tools",
            "no tool called 'stat'", "did you mean 'state'"),
    Mistake("denial of all", lent('grant: {deny_tools: ["*"]}'), "tasks.job.grant.deny_tools", "only in grant.tools"),
    Mistake("limit of no tool", lent("limits: {tools: {http: 3}}"), "tasks.job.limits.tools.http",
            "no tool called 'http'", "there are: state, weather"),
    Mistake("ceiling of no tool", HEAD + "on_the_fly: {grant: {tools: [x]}} # <-\n", "on_the_fly.grant.tools",
            "no tool called 'x'"),
]  # fmt: skip

KEY = "a" * 64

JOURNAL = [
    Mistake("encryption without a key", HEAD + "journal: {encrypt: {}} # <-\n", "journal.encrypt", "needs a key",
            "head -c 32 /dev/urandom"),
    Mistake("key that is a word", HEAD + "journal: {encrypt: {key: my-dog}} # <-\n", "journal.encrypt.key",
            "neither base64 nor 64 hexadecimal digits", "makes a key"),
    Mistake("short key", HEAD + "journal: {encrypt: {key: c2hvcnQ=}} # <-\n", "journal.encrypt.key", "5 bytes; it"),
    Mistake("one old key", HEAD + f"journal: {{encrypt: {{old_keys: {KEY}}}}} # <-\n", "journal.encrypt.old_keys",
            "must be a list", "[!secret name]"),
    Mistake("key twice", HEAD + f"journal: {{encrypt: {{key: {KEY}, old_keys: [{KEY.upper()}]}}}} # <-\n",
            "journal.encrypt.old_keys", "named twice"),
    Mistake("missing key", HEAD + "journal: {encrypt: {key: !secret nobody}} # <-\n", "journal.encrypt.key",
            "no secret 'nobody'", "EDGE_SECRET_NOBODY"),
]  # fmt: skip

ON_THE_FLY = [
    Mistake("source of apps", HEAD + PARTS + "on_the_fly: {sources: [ovn]} # <-\n", "on_the_fly.sources",
            "no device or source called 'ovn'", "did you mean 'oven'"),
    Mistake("device of apps", HEAD + PARTS + "on_the_fly: {grant: {devices: [fna]}} # <-\n",
            "on_the_fly.grant.devices", "no device called 'fna'", "did you mean 'fan'"),
    Mistake("memory of apps", HEAD + "on_the_fly: {limits: {memory: 1GB}} # <-\n", "on_the_fly.limits.memory",
            "at most 128MB", "write less"),
    Mistake("topic of apps", HEAD + MQTT + "on_the_fly: {grant: {publish: ['a/#/b']}} # <-\n",
            "on_the_fly.grant.publish", "the last level", "such as"),
    Mistake("word as a key of apps", HEAD + "on_the_fly: {keys: {ops: my-dog}} # <-\n", "on_the_fly.keys.ops",
            "neither base64", "edge apps keygen"),
    Mistake("short key of apps", HEAD + "on_the_fly: {keys: {ops: c2hvcnQ=}} # <-\n", "on_the_fly.keys.ops",
            "5 bytes", "edge apps keygen"),
    Mistake("key called local", HEAD + f"on_the_fly: {{keys: {{local: {KEY}}}}} # <-\n", "on_the_fly.keys.local",
            "the audit", "another name"),
    Mistake("apps from afar without keys", HEAD + MQTT + "on_the_fly: {remote: true} # <-\n", "on_the_fly.remote",
            "nobody could sign", "keys:"),
    Mistake("apps from afar without a broker", HEAD + f"on_the_fly: {{remote: true, keys: {{ops: {KEY}}}}} # <-\n",
            "on_the_fly.remote", "no broker", "add mqtt:"),
]  # fmt: skip

MISTAKES = [
    *ON_THE_BROKER,
    *TEXT,
    *TYPES,
    *DEVICES,
    *TRIGGERS,
    *PROGRAMS,
    *LIMITS,
    *PROVISIONS,
    *MEMORY,
    *TOOLS,
    *LINKS,
    *JOURNAL,
    *ON_THE_FLY,
]
