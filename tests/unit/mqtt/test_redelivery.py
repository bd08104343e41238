"""What is remembered of QoS 1 messages, and for how long."""

from __future__ import annotations

from edge.ingest.redelivery import Accepted, Recent, digest


def test_what_was_accepted_is_known_until_its_id_is_dropped():
    accepted = Accepted({5: 77})
    accepted.add(6, 88)
    assert accepted.holds(5, 77)
    assert accepted.holds(6, 88)
    assert not accepted.holds(6, 77)

    accepted.drop(5)

    assert not accepted.holds(5, 77)


def test_an_id_is_dropped_however_long_ago_it_was_remembered():
    accepted = Accepted({1: 11})
    for packet_id in range(2, 16_500):
        accepted.add(packet_id, 1)
    assert accepted.holds(1, 11)

    accepted.drop(1)

    assert not accepted.holds(1, 11)


def test_what_never_was_is_not_known():
    assert not Accepted({}).holds(1, digest("plant/a", b"1"))


def test_long_before_packet_ids_come_round_an_entry_is_forgotten():
    accepted = Accepted({1: 11})
    accepted.add(2, 22)
    for packet_id in range(3, 16_003):
        accepted.add(packet_id, 1)
    assert accepted.holds(1, 11)
    assert accepted.holds(2, 22)
    for packet_id in range(16_003, 32_803):
        accepted.add(packet_id, 1)

    assert not accepted.holds(1, 11)
    assert not accepted.holds(2, 22)


def test_a_digest_is_64_bits_over_topic_and_payload():
    assert digest("a", b"b") != digest("ab", b"")
    assert 0 < digest("plant/a", b"1") < 1 << 64


def test_recent_values_are_bounded():
    recent = Recent(size=3)
    assert [recent.seen(value) for value in (1, 2, 3, 1, 4, 2)] == [False, False, False, True, False, True]
    assert not recent.seen(1)
