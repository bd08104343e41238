"""SPI chips against independent decoders, empty lines, and the header's SPI through gpiozero's own lgpio code."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers import BadData, BusFault, BusUnavailable, Nack, OutOfRange, World, WrongChip, find
from drivers.max31855 import MAX31855, SimMAX31855
from drivers.mcp3008 import MCP3008, SimMCP3008
from drivers.simulation.spi import SimSpi, SimSpiChip
from tests.drivers.lines import lined


class Says(SimSpiChip):
    """Answers everything with the same bytes and keeps what it heard."""

    def __init__(self, answer: str) -> None:
        super().__init__(World(), "it")
        self.answer = bytes.fromhex(answer)
        self.heard: list[bytes] = []

    def exchange(self, data: bytes) -> bytes:
        self.heard.append(data)
        return self.answer


# -- MAX31855 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "hot", "cold"),
    [
        # what adafruit-circuitpython-max31855 3.3.0 makes of these four bytes
        ("01900f80", 25.0, 15.5),
        ("64000640", 1600.0, 6.25),
        ("fff0ff00", -1.0, -1.0),
        ("f060c900", -250.0, -55.0),
        ("fffcfff0", -0.25, -0.0625),
        ("1f407d00", 500.0, 125.0),
    ],
)
def test_both_ends_as_an_independent_driver_reads_them(word: str, hot: float, cold: float) -> None:
    assert MAX31855(SimSpi(Says(word))).read().values == {"temperature": hot, "junction": cold}
    world = World()
    world["it.temperature"], world["it.junction"] = hot, cold
    assert SimMAX31855(world, "it").exchange(bytes(4)).hex() == word


@pytest.mark.parametrize(("fault", "words"), [("open", "not connected"), ("ground", "ground"), ("supply", "supply")])
def test_each_fault_of_the_thermocouple_has_its_words(fault: str, words: str) -> None:
    _, line, sensor = lined("max31855")
    sensor.start()
    line.part.fault = fault
    with pytest.raises(BadData, match=words) as caught:
        sensor.read()
    assert caught.value.retry
    line.part.fault = None
    sensor.read()


@pytest.mark.parametrize("word", ["00000000", "ffffffff"])
def test_an_empty_line_is_no_thermocouple(word: str) -> None:
    with pytest.raises(Nack, match="no MAX31855 answers"):
        MAX31855(SimSpi(Says(word))).start()


@pytest.mark.parametrize("word", ["01920f80", "01900f88"])
def test_bits_that_the_chip_never_sets_are_another_chip(word: str) -> None:
    with pytest.raises(WrongChip):
        MAX31855(SimSpi(Says(word))).start()


# -- MCP3008 ----------------------------------------------------------------------------------------------------------


def test_the_command_and_the_counts_are_those_of_an_independent_driver() -> None:
    """What adafruit-circuitpython-mcp3xxx 1.5.2 sends for pins 0 to 7, and makes of the answer."""
    for answer, counts in (("fffa00", 512), ("00032a", 810), ("ff03ff", 1023), ("ffe001", 1)):
        chip = Says(answer)
        volts = MCP3008(SimSpi(chip), reference=1.024).read().values

        assert chip.heard == [bytes([1, 0x80 + 0x10 * pin, 0]) for pin in range(8)]
        assert volts == pytest.approx({f"ch{pin}": counts / 1000 for pin in range(8)})


@given(volts=st.lists(st.floats(0.0, 4.99), min_size=8, max_size=8))
def test_eight_voltages_at_once_within_one_step(volts: list[float]) -> None:
    world, _, adc = lined("mcp3008", reference=5.0)
    for number, value in enumerate(volts):
        world[f"it.ch{number}"] = value

    assert adc.read().values == pytest.approx({f"ch{n}": v for n, v in enumerate(volts)}, abs=5.0 / 1024)


def test_the_simulated_converter_waits_for_its_start_bit_wherever_it_stands() -> None:
    """The same command two bits later: the answer is two bits later too. Nothing before the null bit is driven."""
    world = World()
    world["it.ch5"] = 3.3 * 700 / 1024 + 0.001
    chip = SimMCP3008(world, "it")

    early = int.from_bytes(chip.exchange(bytes([0x04 << 4 | 0b11 << 4 | 0b1, 0b01000000, 0, 0])), "big")
    usual = int.from_bytes(chip.exchange(bytes([0x01, 0xD0, 0x00, 0x00])), "big")
    assert usual >> 8 & 0x3FF == 700
    assert usual >> 18 & 1 == 0
    assert early != usual


def test_a_missing_converter_is_found_by_the_resistor_and_reads_zero_without_it() -> None:
    _, line, adc = lined("mcp3008")
    adc.start()
    line.unplug()
    with pytest.raises(Nack, match="no MCP3008 answers"):
        adc.read()
    line.rests = False
    assert set(adc.read().values.values()) == {0.0}


def test_a_reference_that_the_chip_cannot_bear_is_refused() -> None:
    with pytest.raises(OutOfRange, match=r"0.25 to 5.5 V, not 12"):
        lined("mcp3008", reference=12.0)


# -- both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mcp3008", "max31855"])
def test_a_transfer_that_fails_passes_and_is_logged(kind: str) -> None:
    _, line, sensor = lined(kind)
    sensor.start()
    line.fail(BusFault)
    with pytest.raises(BusFault):
        sensor.read()
    sensor.read()
    assert [type(one.error) for one in line.log].count(BusFault) == 1


def test_a_closed_line_says_so() -> None:
    _, line, sensor = lined("max31855")
    line.close()
    with pytest.raises(BusUnavailable, match="closed"):
        sensor.start()


@given(data=st.data())
def test_what_the_world_has_is_what_each_line_driver_says(data: st.DataObject) -> None:
    """Over the whole range, all channels of one sample together, within the part's resolution."""
    kind = data.draw(st.sampled_from(["ds18b20", "dht22", "soc", "pms5003", "mhz19", "max31855"]))
    world, _, device = lined(kind)
    driver = find(kind).driver
    wanted = {
        channel: data.draw(st.floats(low + driver.resolution[channel], high - driver.resolution[channel]))
        for channel, (low, high) in driver.ranges.items()
    }
    for channel, value in wanted.items():
        world[f"it.{channel}"] = value
    # the one pair of values that an empty line has as well
    assume(kind != "max31855" or max(map(abs, wanted.values())) > 0.2)
    device.start()
    got = device.read().values

    for channel, value in wanted.items():
        assert got[channel] == pytest.approx(value, abs=driver.resolution[channel])
