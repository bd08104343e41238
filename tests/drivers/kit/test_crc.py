"""Checksums, against what others publish and real chips sent."""

import pytest

from drivers.errors import BadData
from drivers.kit.crc import check, crc8, pack_words, unpack_words


@pytest.mark.parametrize(
    ("data", "start", "checksum"),
    [
        ("beef", 0xFF, 0x92),  # Sensirion's example, as the Adafruit SHT4x driver quotes it
        ("8000", 0xFF, 0xA2),  # an SCD4x without news, told by a Sensirion engineer (raspberry-pi-i2c-scd4x #6)
        ("1c3b5e8688b2", 0xFF, 0xD2),  # a real AHT20 (README of the C program bilbobg/aht20)
        ("683a", 0x00, 0x7C),  # of the HTU21D: the datasheet's cases, as SparkFun's library quotes them
        ("4e85", 0x00, 0x6B),
    ],
)
def test_vectors_of_others(data: str, start: int, checksum: int) -> None:
    assert crc8(bytes.fromhex(data), start=start) == checksum
    assert check(bytes.fromhex(data) + bytes([checksum]), "it", start=start) == bytes.fromhex(data)


def test_words_and_back() -> None:
    assert pack_words(0xBEEF, 0x8000).hex() == "beef928000a2"
    assert unpack_words(bytes.fromhex("beef928000a2"), "it") == (0xBEEF, 0x8000)


@pytest.mark.parametrize("bit", range(48))
def test_any_flipped_bit_is_found_and_the_chip_named(bit: int) -> None:
    data = bytearray.fromhex("beef928000a2")
    data[bit // 8] ^= 1 << bit % 8

    with pytest.raises(BadData, match=r"the SHT31 at 0x44 sent .* instead of .*: noise on the wires"):
        unpack_words(bytes(data), "the SHT31 at 0x44")
