"""Parts that the kernel reads: the real tree on real files, and what the drivers make of what kernel drivers write."""

import errno
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import BadData, BusError, BusTimeout, BusUnavailable, Device, Nack, OutOfRange, World, WrongChip, find
from drivers.dht22 import SimDHT22
from drivers.ds18b20 import SimDS18B20
from drivers.errors import ArbitrationLost, BusFault, NotStarted
from drivers.hwmon import SimHwmon
from drivers.wires.sysfs import SysfsTree, translated
from tests.drivers.lines import lined

W1, IIO, HWMON = "sys/bus/w1/devices", "sys/bus/iio/devices", "sys/class/hwmon"


def tree(root: Path, files: dict[str, str]) -> SysfsTree:
    """The real tree over a folder with these files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return SysfsTree(wait=lambda seconds: None, root=root)


def part(kind: str, root: Path, files: dict[str, str], where: str | None = None, **options: object) -> Device:
    """A started driver on real files."""
    device = find(kind).build(tree(root, files), where, **options)
    device.start()
    return device


# -- the tree ---------------------------------------------------------------------------------------------------------


def test_a_file_is_its_text_without_the_line_end_and_a_folder_its_names(tmp_path: Path) -> None:
    real = tree(tmp_path, {"sys/b/temp": "21500\n", "sys/a/temp": "1\n"})

    assert real.read("/sys/b/temp") == "21500"
    assert real.names("/sys") == ["a", "b"]
    assert real.names("/sys/nothing") == []


def test_a_missing_file_is_a_part_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Nack, match=r"/sys/b/temp: not there.*ENOENT"):
        tree(tmp_path, {}).read("/sys/b/temp")


def test_a_folder_in_place_of_a_file_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(BusUnavailable, match="check `id:`"):
        tree(tmp_path, {"sys/b/temp": ""}).read("/sys/b")


def test_a_kernel_driver_that_has_not_measured_yet_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EAGAIN, for which Python's own `read` of a file has no error: the kernel's tmp102 says it for its first 35 ms."""

    def not_yet(*_: object) -> bytes:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    kernel = tree(tmp_path, {"sys/b/temp": "21000\n"})
    monkeypatch.setattr("drivers.wires.sysfs.os.read", not_yet)
    with pytest.raises(ArbitrationLost, match=r"/sys/b/temp: .*first measurement may not be over \(EAGAIN\)"):
        kernel.read("/sys/b/temp")


@pytest.mark.parametrize(
    ("number", "kind", "retry", "remedy"),
    [
        (errno.ENODEV, Nack, True, "check wiring"),
        (errno.EREMOTEIO, Nack, True, "no answer from the chip"),
        (errno.ETIMEDOUT, BusTimeout, True, "in vain"),
        (errno.EBUSY, ArbitrationLost, True, "somebody else"),
        (errno.EIO, BusFault, True, "no value"),
        (errno.ENODATA, BusFault, True, "no value"),
        (errno.EACCES, BusUnavailable, False, "which group"),
    ],
)
def test_each_errno_has_a_class_a_remedy_and_its_name(
    number: int, kind: type[BusError], retry: bool, remedy: str
) -> None:
    error = translated("/sys/x", number)

    assert type(error) is kind
    assert error.retry is retry
    assert remedy in str(error)
    assert errno.errorcode[number] in str(error)


# -- which part -------------------------------------------------------------------------------------------------------

TWO = {
    f"{IIO}/iio:device0/name": "bme280\n",
    f"{IIO}/iio:device0/in_temp_input": "23420\n",
    f"{IIO}/iio:device1/name": "bme280\n",
    f"{IIO}/iio:device1/label": "cellar\n",
    f"{IIO}/iio:device1/in_temp_input": "11500\n",
    f"{IIO}/iio:device2/name": "tsl2561\n",
    f"{IIO}/iio:device2/in_temp_input": "1\n",
    f"{IIO}/trigger0/name": "sysfstrig0\n",
}


@pytest.mark.parametrize(("where", "celsius"), [("iio:device0", 23.42), ("cellar", 11.5), ("tsl2561", 0.001)])
def test_a_part_is_found_by_its_folder_its_label_or_its_name(tmp_path: Path, where: str, celsius: float) -> None:
    assert part("iio", tmp_path, TWO, where).read().values == {"temperature": pytest.approx(celsius)}


@pytest.mark.parametrize("where", ["bme280", None])
def test_several_such_parts_are_listed_and_none_is_guessed(tmp_path: Path, where: str | None) -> None:
    with pytest.raises(BusUnavailable, match="several such parts: iio:device0, iio:device1"):
        part("iio", tmp_path, TWO, where)


def test_the_only_part_needs_no_id(tmp_path: Path) -> None:
    files = {f"{IIO}/iio:device0/in_temp_input": "23420", f"{IIO}/trigger0/name": "sysfstrig0"}

    assert part("iio", tmp_path, files).read().values == {"temperature": 23.42}


def test_a_part_that_is_not_listed_names_those_that_are_and_the_overlay(tmp_path: Path) -> None:
    with pytest.raises(Nack, match=r"has no 28-1; it lists 28-2: switch 1-Wire on with dtoverlay=w1-gpio"):
        part("ds18b20", tmp_path, {f"{W1}/28-2/w1_slave": "", f"{W1}/w1_bus_master1/name": ""}, "28-1")


@pytest.mark.parametrize(("kind", "folder", "file"), [("iio", f"{IIO}/iio:device", "in_temp_input"),
                                                      ("hwmon", f"{HWMON}/hwmon", "temp1_input")])  # fmt: skip
def test_a_part_that_got_another_folder_is_found_again_by_its_name(
    tmp_path: Path, kind: str, folder: str, file: str
) -> None:
    """Unplugged and plugged in again, the kernel counts on: `iio:device1` instead of `iio:device0`."""
    sensor = part(kind, tmp_path, {f"{folder}0/name": "bme280", f"{folder}0/{file}": "20000"}, "bme280")
    (tmp_path / f"{folder}0").rename(tmp_path / f"{folder}1")

    with pytest.raises(Nack):
        sensor.read()
    sensor.start()
    assert list(sensor.read().values.values()) == [20.0]


# -- DS18B20 ----------------------------------------------------------------------------------------------------------


def w1_slave(memory: str, crc: str, verdict: str, milli: int) -> dict[str, str]:
    words = f"{memory} : crc={crc} {verdict}\n{memory} t={milli}\n"
    return {f"{W1}/28-000004da2313/w1_slave": words}


@pytest.mark.parametrize(
    ("memory", "crc", "milli"),
    [
        # real sensors, as people posted them: raspberrypi.org t=91982; raspberrypi.stackexchange 48106; bikealive.nl
        ("3f 00 4b 46 7f ff 01 10 47", "47", 3937),
        ("5e 01 ff ff 7f ff ff ff 52", "52", 21875),
        ("2c 01 ff ff 7f ff ff ff 61", "61", 18750),
    ],
)
def test_what_real_sensors_said(tmp_path: Path, memory: str, crc: str, milli: int) -> None:
    sensor = part("ds18b20", tmp_path, w1_slave(memory, crc, "YES", milli))

    assert sensor.read().values == {"temperature": milli / 1000}
    # and our simulated memory has the same checksum and the same step
    assert int.from_bytes(bytes.fromhex(memory[:5]), "little") * 1000 // 16 == milli


def test_the_value_after_power_on_is_no_measurement(tmp_path: Path) -> None:
    """As posted on raspberrypi.stackexchange 65828."""
    with pytest.raises(BadData, match=r"after power-on.*parasite power"):
        part("ds18b20", tmp_path, w1_slave("50 05 4b 46 7f ff 0c 10 1c", "1c", "YES", 85000))


def test_the_value_of_too_little_power_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="lost its power"):
        part("ds18b20", tmp_path, w1_slave("ff 07 4b 46 7f ff 0c 10 00", "00", "YES", 127937))


def test_a_real_85_degrees_is_a_measurement() -> None:
    world, _, sensor = lined("ds18b20")
    world["it.temperature"] = 85.0
    sensor.start()

    assert sensor.read().values == {"temperature": 85.0}


def test_an_empty_file_is_a_sensor_that_did_not_answer(tmp_path: Path) -> None:
    with pytest.raises(Nack, match="is empty: the sensor did not answer"):
        part("ds18b20", tmp_path, {f"{W1}/28-1/w1_slave": ""})


def test_a_wrong_checksum_never_becomes_a_value(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="wrong checksum"):
        part("ds18b20", tmp_path, w1_slave("3f 00 4b 46 7f ff 01 10 47", "12", "NO", 3937))


def test_a_shorted_line_reads_zeros_with_a_right_checksum_and_is_found(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="shorted to ground"):
        part("ds18b20", tmp_path, w1_slave("00 " * 8 + "00", "00", "YES", 0))


def test_a_file_of_another_driver_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="not what w1_therm writes"):
        part("ds18b20", tmp_path, {f"{W1}/28-1/w1_slave": "21500\n"})


@pytest.mark.parametrize(("fault", "words"), [("power", "power-on"), ("noise", "checksum"), ("short", "shorted")])
def test_the_simulated_sensor_has_these_faults_and_recovers(fault: str, words: str) -> None:
    _, line, sensor = lined("ds18b20")
    sensor.start()
    assert isinstance(line.part, SimDS18B20)
    line.part.fault = fault  # type: ignore[assignment]

    with pytest.raises(BadData, match=words) as caught:
        sensor.read()
    assert caught.value.retry
    line.part.fault = None
    assert sensor.read().values == {"temperature": 21.0}


def test_a_reading_takes_as_long_as_a_conversion_of_12_bits() -> None:
    waits: list[float] = []
    _, _, sensor = lined("ds18b20", wait=waits.append)
    sensor.start()
    sensor.read()

    assert sum(waits) == pytest.approx(2 * 0.75)


# -- IIO --------------------------------------------------------------------------------------------------------------


def test_a_real_bme280_of_the_kernel(tmp_path: Path) -> None:
    """The kernel's own driver over a simulated chip at 23.42 degC, 47.293 %, 1003.246 hPa wrote these texts."""
    files = {
        f"{IIO}/iio:device0/in_temp_input": "23420\n",
        f"{IIO}/iio:device0/in_humidityrelative_input": "47293\n",
        f"{IIO}/iio:device0/in_pressure_input": "100.324600000\n",
    }
    sensor = part("iio", tmp_path, files, channels="temperature, humidity, pressure")

    assert sensor.read().values == pytest.approx({"temperature": 23.42, "humidity": 47.293, "pressure": 1003.246})


def test_raw_counts_take_the_offset_before_the_scale_and_the_channels_own_before_the_shared(tmp_path: Path) -> None:
    files = {
        f"{IIO}/iio:device0/in_voltage0_raw": "1000",
        f"{IIO}/iio:device0/in_voltage1_raw": "1000",
        f"{IIO}/iio:device0/in_voltage1_scale": "4",
        f"{IIO}/iio:device0/in_voltage_scale": "2.5",
        f"{IIO}/iio:device0/in_voltage_offset": "-200",
    }
    adc = part("iio", tmp_path, files, channels="voltage0 voltage1")

    assert adc.read().values == pytest.approx({"voltage0": 2.0, "voltage1": 3.2})


def test_units_become_ours(tmp_path: Path) -> None:
    texts = {
        "accel_x": "9.80665", "anglvel_z": "3.14159265", "magn_y": "0.5", "distance": "1.25", "illuminance": "321.5",
        "concentration_co2": "0.0412", "temp_ambient": "-5000", "current0": "1500", "power1": "2500",
    }  # fmt: skip
    files = {f"{IIO}/iio:device0/in_{name}_input": text for name, text in texts.items()}
    wanted = {
        "acceleration_x": 9.80665, "rotation_z": 180.0, "magnetic_y": 50.0, "distance": 1250.0, "illuminance": 321.5,
        "concentration_co2": 412.0, "temperature_ambient": -5.0, "current0": 1.5, "power1": 2.5,
    }  # fmt: skip
    device = part("iio", tmp_path, files, channels=" ".join(wanted))

    assert device.read().values == pytest.approx(wanted)
    assert device.channels_of({"channels": " ".join(wanted)})["rotation_z"] == "deg/s"


@given(value=st.floats(-1000, 1000), channel=st.sampled_from(["voltage0", "acceleration_x", "rotation_z", "magnetic_y",
       "temperature", "humidity", "pressure", "distance", "current1", "power0", "resistance", "concentration_co2",
       "illuminance", "temperature_object"]))  # fmt: skip
def test_whatever_the_kernel_writes_becomes_what_the_world_has(value: float, channel: str) -> None:
    """Processed or as counts; the simulated files are written from the ABI, not from the driver's table."""
    world, _, device = lined("iio", channels=channel)
    world[f"it.{channel}"] = value
    device.start()

    # half of what one of the simulated counts is worth
    step = {"resistance": 0.25, "magnetic_y": 0.08, "rotation_z": 0.031}.get(channel, 0.001)
    assert device.read().values[channel] == pytest.approx(value, abs=step)


@given(value=st.floats(-1000, 1000), channel=st.sampled_from(["in0", "temp2", "curr1", "power1", "humidity1", "fan3"]))
def test_whatever_a_monitor_writes_becomes_what_the_world_has(value: float, channel: str) -> None:
    world, _, device = lined("hwmon", channels=channel)
    world[f"it.{channel}"] = value
    device.start()

    assert device.read().values[channel] == pytest.approx(value, abs=0.55 if channel == "fan3" else 0.001)


def test_a_part_is_not_read_before_it_is_started(tmp_path: Path) -> None:
    with pytest.raises(NotStarted):
        find("iio").build(tree(tmp_path, TWO), "cellar").read()


def test_a_channel_that_the_part_lacks_names_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(WrongChip, match=r"no in_pressure for the channel pressure; it has in_temp$"):
        part("iio", tmp_path, {f"{IIO}/iio:device0/in_temp_input": "1"}, channels="pressure")


def test_text_that_is_no_number_never_becomes_a_value(tmp_path: Path) -> None:
    for text in ("", "error", "nan"):
        with pytest.raises((BadData, OutOfRange)):
            part("iio", tmp_path, {f"{IIO}/iio:device0/in_temp_input": text})


# -- DHT22 ------------------------------------------------------------------------------------------------------------


def test_both_values_of_a_dht22_come_from_one_transfer() -> None:
    world, line, sensor = lined("dht22")
    sensor.start()
    assert isinstance(line.part, SimDHT22)
    transfers = line.part.transfers
    world["it.temperature"], world["it.humidity"] = -12.3, 78.9
    line.wait(10.0)

    assert sensor.read().values == pytest.approx({"temperature": -12.3, "humidity": 78.9})
    assert line.part.transfers == transfers + 1


@pytest.mark.parametrize(("misses", "works"), [(1, True), (2, True), (3, False)])
def test_a_transfer_that_failed_is_tried_again_after_a_rest_but_not_for_ever(misses: int, works: bool) -> None:
    waits: list[float] = []
    world = World(lambda: sum(waits))
    _, line, sensor = lined("dht22", world=world, wait=waits.append)
    assert isinstance(line.part, SimDHT22)
    line.part.misses = misses

    if works:
        sensor.start()
    else:
        with pytest.raises(BusError):
            sensor.start()
    assert sum(waits) == pytest.approx(2.0 * min(misses, 2))


def test_the_kernel_names_the_sensor_with_its_pin_and_it_is_found_among_others(tmp_path: Path) -> None:
    files = {
        f"{IIO}/iio:device0/name": "bme280",
        f"{IIO}/iio:device1/name": "dht11@4",
        f"{IIO}/iio:device1/in_temp_input": "-100",
        f"{IIO}/iio:device1/in_humidityrelative_input": "65200",
    }
    assert part("dht22", tmp_path, files).read().values == {"temperature": -0.1, "humidity": 65.2}


# -- hwmon, SoC -------------------------------------------------------------------------------------------------------


def test_hwmon_values_and_flags_in_our_units(tmp_path: Path) -> None:
    values = {"in1_input": "3304", "curr1_input": "250", "power1_input": "826000", "temp1_input": "-5500",
              "fan2_input": "1210", "humidity1_input": "45600", "in0_lcrit_alarm": "1", "temp1_fault": "0"}  # fmt: skip
    files = {f"{HWMON}/hwmon3/{name}": text for name, text in {**values, "name": "rpi_volt"}.items()}
    wanted = {"in1": 3.304, "curr1": 0.25, "power1": 0.826, "temp1": -5.5, "fan2": 1210, "humidity1": 45.6,
              "in0_lcrit_alarm": True}  # fmt: skip
    board = part("hwmon", tmp_path, files, "rpi_volt", channels=" ".join(wanted))

    assert board.read().values == pytest.approx(wanted)
    assert board.channels_of({"channels": " ".join(wanted)})["in0_lcrit_alarm"] == "bool"


def test_a_chip_that_says_its_sensor_is_broken_gives_no_value() -> None:
    _, line, board = lined("hwmon")
    board.start()
    assert isinstance(line.part, SimHwmon)
    line.part.broken = True

    with pytest.raises(BadData, match="temp1_fault is set"):
        board.read()


def test_the_flags_of_the_firmware(tmp_path: Path) -> None:
    """0x50005, the word of the kernel's own message "Under-voltage detected! (0x00050005)"; the node of a Pi 5."""
    files = {
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled": "50005\n",
        "sys/devices/platform/soc@107c000000/other/x": "",
    }
    assert part("soc", tmp_path, files).read().values == {
        "temperature": 48.312, "undervoltage": True, "frequency_capped": False, "throttled": True, "soft_limit": False,
        "undervoltage_seen": True, "throttled_seen": True,
    }  # fmt: skip


def test_a_machine_without_that_firmware_gives_its_temperature_alone(tmp_path: Path) -> None:
    files = {"sys/class/thermal/thermal_zone7/temp": "55000", "sys/class/thermal/thermal_zone7/type": "soc_thermal"}

    with pytest.raises(BusUnavailable, match="`flags: false`"):
        part("soc", tmp_path, files)
    assert part("soc", tmp_path, files, flags=False).read().values == {"temperature": 55.0}


def test_an_undervoltage_between_two_samples_is_still_seen() -> None:
    world, _, board = lined("soc")
    board.start()
    world["it.undervoltage"] = True
    assert board.read().values["undervoltage"] is True
    world["it.undervoltage"] = False

    values = board.read().values
    assert (values["undervoltage"], values["undervoltage_seen"]) == (False, True)
    assert math.isclose(values["temperature"], 48.0)
