"""What closes and opens: the vectors of the standards, and that nothing opens which was changed or moved."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edge.journal.cipher import TAG_SIZE, Cipher
from edge.journal.errors import JournalKeyMissing
from edge.journal.keys import Keyring, key_id

MASTER, OTHER = bytes(range(32)), bytes(32)
SALT = bytes(range(16))


def cipher(salt: bytes = SALT, master: bytes = MASTER, purpose: bytes = b"test") -> Cipher:
    return Cipher(master, salt, purpose)


def test_the_library_computes_hkdf_as_rfc_5869_does() -> None:
    """Appendix A.1."""
    drawn = HKDF(SHA256(), 42, bytes(range(13)), bytes(range(0xF0, 0xFA))).derive(b"\x0b" * 22)

    assert drawn.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"


def test_the_library_computes_gcm_as_its_specification_does() -> None:
    """Test cases 14 and 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B."""
    zeros = AESGCM(bytes(32)).encrypt(bytes(12), bytes(16), None)
    assert zeros.hex() == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"

    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    text = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
        "ba637b39"
    )
    about = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    closed = AESGCM(key).encrypt(bytes.fromhex("cafebabefacedbaddecaf888"), text, about)
    assert closed[-16:].hex() == "76fc6ece0f4e1768cddf8853bb2d551b"


def test_a_key_is_drawn_and_a_number_counted_as_the_format_says() -> None:
    """Written here with the bare standards, so that another program can read what ours wrote."""
    drawn = HKDF(SHA256(), 32, SALT, b"test").derive(MASTER)

    closed = cipher().close(258, b"text", b"about")

    assert AESGCM(drawn).decrypt(bytes(10) + b"\x01\x02", closed, b"about") == b"text"
    assert len(closed) == len(b"text") + TAG_SIZE


def test_what_was_closed_opens_with_the_same_number_and_nothing_else() -> None:
    closed = cipher().close(7, b"text", b"about")

    assert cipher().open(7, closed, b"about") == b"text"
    assert cipher().open(8, closed, b"about") is None
    assert cipher().open(7, closed, b"About") is None
    assert cipher(salt=bytes(16)).open(7, closed, b"about") is None
    assert cipher(master=OTHER).open(7, closed, b"about") is None
    assert cipher(purpose=b"other").open(7, closed, b"about") is None


def test_no_byte_of_it_can_be_changed_or_left_out() -> None:
    closed = cipher().close(7, b"text", b"about")

    for at in range(len(closed)):
        changed = closed[:at] + bytes((closed[at] ^ 1,)) + closed[at + 1 :]
        assert cipher().open(7, changed, b"about") is None
        assert cipher().open(7, closed[:at], b"about") is None


def test_a_number_never_closes_twice() -> None:
    one = cipher()
    one.close(5, b"text", b"")

    for number in (5, 4, 0):
        with pytest.raises(ValueError, match="was used already"):
            one.close(number, b"other", b"")
    one.close(6, b"text", b"")


# -- the keyring ------------------------------------------------------------------------------------------------------


def test_a_salt_is_drawn_for_every_file_that_is_to_be_encrypted() -> None:
    ring = Keyring(MASTER)

    assert len({ring.salt() for _ in range(100)}) == 100
    assert Keyring().salt() == Keyring(old=[MASTER]).salt() == ""


def test_files_of_an_old_key_are_read_and_new_ones_take_the_current() -> None:
    ring = Keyring(MASTER, [OTHER])

    assert ring.current == key_id(MASTER)
    assert set(ring.names) == {key_id(MASTER), key_id(OTHER)}
    old = ring.of_file(1, SALT.hex(), key_id(OTHER), purpose="p", name="n")
    assert old.cipher is not None
    assert not old.needs


def test_a_key_that_is_not_given_is_named() -> None:
    key = Keyring(MASTER).of_file(1, SALT.hex(), key_id(OTHER), purpose="p", name="n")

    assert key.cipher is None
    assert key.needs == key_id(OTHER)


def test_the_name_of_a_key_says_nothing_of_the_key() -> None:
    assert key_id(MASTER) != key_id(OTHER)
    assert len(key_id(MASTER)) == 8
    assert key_id(MASTER) not in MASTER.hex()


def test_a_missing_key_is_said_with_its_name_its_files_and_what_to_do() -> None:
    error = JournalKeyMissing("/j", {"0badcafe": ["a.log", "b.log", "c.log"]}, ["12345678"])

    for part in ("/j", "0badcafe", "a.log and 2 more", "12345678", "old_keys", "nothing was touched"):
        assert part in str(error)
