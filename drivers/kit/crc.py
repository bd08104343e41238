"""Checksums that chips send with their data; one home for drivers and simulated chips.

Checked against vectors of others: Sensirion's example (0xBEEF gives 0x92) and answers of real chips, in the tests.
"""

from drivers.errors import BadData


def crc8(data: bytes, *, start: int = 0xFF, polynomial: int = 0x31) -> int:
    """CRC-8, high bit first, nothing reversed; by default as Sensirion and Aosong use it."""
    remainder = start
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            carry = remainder & 0x80
            remainder = (remainder << 1 & 0xFF) ^ (polynomial if carry else 0)
    return remainder


def pack_words(*words: int) -> bytes:
    """16-bit words, high byte first, each followed by its checksum: how Sensirion's chips talk."""
    pairs = (word.to_bytes(2, "big") for word in words)
    return b"".join(pair + bytes([crc8(pair)]) for pair in pairs)


def unpack_words(data: bytes, chip: str) -> tuple[int, ...]:
    """The words in `data`, three bytes each; `BadData` names the chip where a checksum is wrong."""
    for start in range(0, len(data), 3):
        check(data[start : start + 3], chip)
    return tuple(int.from_bytes(data[start : start + 2], "big") for start in range(0, len(data), 3))


def check(data: bytes, chip: str, *, start: int = 0xFF) -> bytes:
    """`data` without its last byte, the checksum of the others; `BadData` names the chip where that is wrong."""
    body, sent = data[:-1], data[-1]
    wanted = crc8(body, start=start)
    if sent != wanted:
        raise BadData(
            f"{chip} sent {body.hex()} with the checksum {sent:#04x} instead of {wanted:#04x}: noise on the wires"
            " (shorten them, slow the bus) or another chip"
        )
    return body
