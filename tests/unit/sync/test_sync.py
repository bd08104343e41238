"""Outcomes travel: when they are sent, what an answer means, and what happens when there is none."""

from __future__ import annotations

import errno
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model import Verdict
from edge.sync.sync import SyncState
from tests.unit.sync.conftest import TOPIC, Bench


@pytest.fixture
def bench(make_bench):
    bench = make_bench()
    bench.connect()
    return bench


def test_an_outcome_is_sent_at_once_as_stored_and_settled_by_its_acknowledgement(bench):
    bench.outbox.add()
    bench.step()

    [message] = bench.broker.messages
    assert (message.topic, message.qos) == (TOPIC, 1)
    assert message.payload == bench.outbox.records[0].record.body
    assert ("content-type", "application/cloudevents+json") in message.properties
    assert bench.outbox.settled == {1: (Verdict.DELIVERED, "")}
    assert bench.telemetry.total("edge_sync_delivered_total") == 1


def test_nothing_is_settled_by_sending_alone(bench):
    bench.broker.hung = True
    bench.outbox.add()
    bench.step()

    assert len(bench.broker.messages) == 1
    assert bench.outbox.settled == {}
    assert bench.sync.report().state is SyncState.SENDING


def test_the_backlog_goes_oldest_first_and_is_marked_as_late(make_bench):
    bench = make_bench()
    for _ in range(5):
        bench.outbox.add()
    bench.connect()
    bench.step()
    bench.outbox.add()
    bench.step()

    assert bench.arrived == [1, 2, 3, 4, 5, 6]
    late = [("replayed", "true") in message.properties for message in bench.broker.messages]
    assert late == [True] * 5 + [False]


def test_what_was_not_answered_is_sent_again_on_the_next_connection_same_bytes_same_id(bench):
    bench.broker.hung = True
    for _ in range(3):
        bench.outbox.add()
    bench.step()
    sent = [message.payload for message in bench.broker.messages]
    bench.broker.hung = False
    bench.broker.cut()
    bench.pass_time(2)

    assert [message.payload for message in bench.broker.messages] == sent * 2
    assert bench.broker.repeats == 3
    assert bench.arrived == [1, 2, 3]
    assert bench.outbox.verdicts(Verdict.DELIVERED) == [1, 2, 3]


def test_nothing_is_sent_twice_on_one_connection(bench):
    bench.broker.hung = True
    for _ in range(3):
        bench.outbox.add()
    for _ in range(20):
        bench.clock.advance(1)
        bench.step()

    assert len(bench.broker.messages) == 3


def test_a_connection_that_answers_nothing_is_given_up(bench):
    bench.broker.hung = True
    bench.outbox.add()
    bench.pass_time(44)
    assert bench.link.session is not None
    bench.broker.hung = False  # and yet this acknowledgement never comes

    bench.link._answers.clear()
    bench.pass_time(3)

    assert bench.link.session.number == 2
    assert bench.arrived == [1]


@pytest.mark.parametrize(("ours", "theirs", "allowed"), [(8, 65_535, 8), (64, 10, 10), (64, 1, 1)])
def test_never_more_are_under_way_than_both_sides_allow(make_bench, ours, theirs, allowed):
    bench = make_bench(window=ours)
    bench.broker.receive_maximum = theirs
    for _ in range(100):
        bench.outbox.add()
    bench.connect()
    bench.broker.hung = True
    bench.step()
    assert len(bench.broker.messages) == allowed

    bench.broker.hung = False
    bench.step(200)

    assert bench.arrived == list(range(1, 101))


# -- batches ----------------------------------------------------------------------------------------------------------


def test_while_a_message_is_under_way_outcomes_gather_into_a_batch(make_bench):
    bench = make_bench(batch=10)
    bench.connect()
    bench.outbox.add()
    bench.sync.step()  # nothing was under way: at once
    for _ in range(4):
        bench.outbox.add()
        bench.sync.step()
    assert bench.batches == [1]
    bench.step()

    assert bench.batches == [1, 4]
    assert ("content-type", "application/cloudevents-batch+json") in bench.broker.messages[1].properties
    assert bench.arrived == [1, 2, 3, 4, 5]


def test_a_full_batch_does_not_wait_for_an_answer(make_bench):
    bench = make_bench(batch=10)
    bench.connect()
    bench.broker.hung = True
    for _ in range(31):
        bench.outbox.add()
        bench.sync.step()

    assert bench.batches == [1, 10, 10, 10]


def test_what_is_left_of_a_batch_waits_while_something_is_under_way(make_bench):
    bench = make_bench(batch=10)
    bench.connect()
    bench.step()
    bench.broker.hung = True
    for count in (1, 15):
        for _ in range(count):
            bench.outbox.add()
        bench.step()
    assert bench.batches == [1, 10]

    bench.broker.hung = False
    bench.step()

    assert bench.batches == [1, 10, 5]


def test_while_a_batch_cannot_be_full_the_outbox_is_not_asked(make_bench):
    bench = make_bench(batch=100)
    bench.connect()
    bench.broker.hung = True
    bench.outbox.add()
    bench.step()
    reads = bench.outbox.reads
    for _ in range(50):
        bench.outbox.add()
        bench.step(1)

    assert bench.outbox.reads == reads


def test_with_every_an_outcome_waits_for_company_and_no_longer(make_bench):
    bench = make_bench(batch=10, every=30.0)
    bench.connect()
    bench.step()
    for _ in range(3):
        bench.outbox.add()
        bench.pass_time(5)
    assert bench.batches == []
    assert bench.wanted == pytest.approx(16)  # the first was noticed a second after the bench was set up
    bench.pass_time(16)
    assert bench.batches == [3]

    for _ in range(10):
        bench.outbox.add()
    bench.step()

    assert bench.batches == [3, 10]


def test_a_link_that_comes_up_sends_what_waits_at_once(make_bench):
    bench = make_bench(batch=10, every=3600.0)
    bench.outbox.add()
    bench.connect()
    bench.step()

    assert bench.arrived == [1]


def test_late_and_live_outcomes_never_share_a_message(make_bench):
    bench = make_bench(batch=10)
    bench.sync.pause()
    for _ in range(3):
        bench.outbox.add()
    bench.connect()
    bench.step()
    for _ in range(3):
        bench.outbox.add()
    bench.sync.resume()
    bench.step()

    assert bench.batches == [3, 3]
    late = [("replayed", "true") in message.properties for message in bench.broker.messages]
    assert late == [True, False]


def test_a_batch_stays_within_what_the_broker_takes(make_bench):
    bench = make_bench(batch=100)
    bench.broker.maximum_packet_size = 4000
    for _ in range(40):
        bench.outbox.add(size=300)
    bench.connect()
    bench.step(20)

    assert all(len(message.payload) < 4000 for message in bench.broker.messages)
    assert bench.arrived == list(range(1, 41))


# -- answers ----------------------------------------------------------------------------------------------------------


def test_a_record_that_can_never_fit_is_dead_with_the_reason_and_holds_up_nobody(make_bench):
    bench = make_bench(batch=10)
    bench.broker.maximum_packet_size = 4000
    bench.outbox.add()
    bench.outbox.add(size=5000)
    bench.outbox.add()
    bench.connect()
    bench.step()

    assert bench.arrived == [1, 3]
    [(verdict, reason)] = [bench.outbox.settled[2]]
    assert verdict is Verdict.DEAD
    assert "the other side takes" in reason


def test_a_refused_outcome_is_dead_with_the_server_s_reason(bench):
    bench.broker.refuse("#", 0x99, "Payload format invalid", times=1)
    bench.outbox.add()
    bench.outbox.add()
    bench.step()

    assert bench.outbox.settled[1] == (Verdict.DEAD, "Payload format invalid (reason 0x99)")
    assert bench.arrived == [2]
    assert bench.telemetry.total("edge_sync_dead_total") == 1


def test_a_refused_batch_costs_only_the_record_that_was_meant(make_bench):
    bench = make_bench(batch=10)
    take = bench.broker.take

    def picky(link, message):
        return (0x99, "Payload format invalid") if b'"result":7' in message.payload else take(link, message)

    bench.broker.take = picky
    for _ in range(10):
        bench.outbox.add()
    bench.connect()
    bench.step(20)

    assert bench.outbox.verdicts(Verdict.DEAD) == [7]
    assert bench.outbox.verdicts(Verdict.DELIVERED) == [1, 2, 3, 4, 5, 6, 8, 9, 10]
    bench.outbox.add()
    bench.step()
    for _ in range(10):
        bench.outbox.add()
    bench.step()
    assert bench.batches[-1] == 10  # singles were for that batch only


@pytest.mark.parametrize("code", [0x97, 0x91])
def test_a_quota_is_waited_for_and_nothing_is_lost(bench, code):
    bench.broker.refuse("#", code, "Quota exceeded", times=2)
    for _ in range(3):
        bench.outbox.add()
    bench.step()
    report = bench.sync.report()
    assert report.state is SyncState.WAITING
    assert "Quota exceeded" in report.last_error
    assert bench.wanted is not None

    bench.pass_time(60)

    assert sorted(bench.arrived) == [1, 2, 3]
    assert bench.outbox.verdicts(Verdict.DEAD) == []
    assert bench.sync.report().last_error == ""


def test_a_topic_we_may_not_publish_on_keeps_the_outcomes_and_names_the_remedy(bench):
    bench.broker.refuse("#", 0x87, "Not authorized", times=1)
    bench.outbox.add()
    bench.step()
    assert "access rules" in bench.sync.report().last_error
    bench.pass_time(59)
    assert bench.arrived == []

    bench.pass_time(62)

    assert bench.arrived == [1]


def end_connection_over(bench, guilty):
    """Many brokers say no by hanging up."""
    take = bench.broker.take

    def strict(link, message):
        if guilty(message):
            bench.broker.cut()
        return take(link, message)

    bench.broker.take = strict


def test_a_publish_that_costs_every_connection_is_found_and_dead_and_the_others_arrive(make_bench):
    bench = make_bench(publishes=True)
    end_connection_over(bench, lambda message: message.topic == "secret/door")
    for number in range(20):
        bench.outbox.add_publish("secret/door" if number == 7 else "plant/fan", number)
    bench.pass_time(60)

    assert bench.outbox.verdicts(Verdict.DEAD) == [8]
    assert "connections in a row" in bench.outbox.settled[8][1]
    assert bench.outbox.backlog("default") == 0


def test_a_broker_that_is_slow_to_fail_blames_no_record(make_bench):
    bench = make_bench(publishes=True)
    bench.outbox.add_publish("plant/fan", 1)
    for _ in range(10):
        bench.broker.hung = False
        bench.link.step(0)
        bench.broker.hung = True  # it takes the message and says nothing
        bench.pass_time(20)
        bench.broker.cut()
        bench.pass_time(2)

    assert len(bench.broker.messages) == 10
    assert bench.outbox.verdicts(Verdict.DEAD) == []


def test_outcomes_that_cost_every_connection_are_kept_and_tried_slowly(make_bench):
    bench = make_bench(batch=10)
    closed = True
    end_connection_over(bench, lambda message: closed)
    for _ in range(30):
        bench.outbox.add()
    bench.pass_time(30)
    assert "access rules" in bench.sync.report().last_error
    assert bench.outbox.settled == {}
    sent = len(bench.broker.messages)
    bench.pass_time(25)
    assert len(bench.broker.messages) <= sent + 1

    closed = False
    bench.pass_time(200)

    assert sorted(bench.arrived) == list(range(1, 31))
    assert bench.batches[-1] > 1  # no longer careful


# -- people -----------------------------------------------------------------------------------------------------------


def test_a_paused_sync_sends_nothing_until_it_is_resumed(bench):
    bench.sync.pause()
    bench.outbox.add()
    bench.step()
    assert bench.batches == []
    assert bench.sync.report().state is SyncState.PAUSED
    assert bench.sync.report().pending == 1

    bench.sync.resume()
    bench.step()

    assert bench.arrived == [1]


def test_what_was_given_up_during_a_pause_is_not_sent_after_it(make_bench):
    bench = make_bench(batch=10, every=3600.0)
    bench.connect()
    bench.step()
    gathered = [bench.outbox.add() for _ in range(3)]
    bench.step()
    bench.sync.pause()
    bench.outbox.settle("up", gathered[:2], Verdict.EXPIRED)
    bench.sync.resume()
    bench.sync.now()
    bench.step()

    assert bench.arrived == gathered[2:]


def test_now_waits_for_no_batch_and_no_back_off(make_bench):
    bench = make_bench(batch=10, every=3600.0)
    bench.connect()
    bench.step()
    bench.broker.refuse("#", 0x97, times=1)
    bench.outbox.add()
    bench.step()
    assert bench.batches == []
    bench.sync.now()
    bench.step()
    assert bench.sync.report().state is SyncState.WAITING
    bench.sync.now()
    bench.step()

    assert bench.arrived == [1]


def test_without_a_link_it_says_so_and_asks_for_nothing(make_bench):
    bench = make_bench()
    bench.broker.online = False
    bench.outbox.add()
    bench.step()

    assert bench.wanted is None
    assert bench.sync.report().state is SyncState.OFFLINE


# -- what runs publish ------------------------------------------------------------------------------------------------


def test_what_a_run_published_goes_to_its_own_topic_with_the_chain_it_belongs_to(make_bench):
    bench = make_bench(publishes=True)
    bench.connect()
    bench.step()
    bench.outbox.add_publish("plant/fan", {"on": True})
    bench.outbox.add_publish("cmnd/fan/POWER", "ON")
    bench.step()

    first, second = bench.broker.messages
    assert (first.topic, first.payload, first.qos) == ("plant/fan", b'{"on":true}', 1)
    assert dict(first.properties) == {"correlation_id": "pi:0", "hops": "1"}
    assert second.payload == b"ON"


@pytest.mark.parametrize("topic", ["", "a/#"])
def test_a_topic_that_cannot_be_published_on_is_dead_and_holds_up_nobody(make_bench, topic):
    bench = make_bench(publishes=True)
    bench.outbox.add_publish(topic, 1)
    bench.outbox.add_publish("plant/fan", 2)
    bench.connect()
    bench.step()

    assert bench.outbox.verdicts(Verdict.DEAD) == [1]
    assert bench.outbox.verdicts(Verdict.DELIVERED) == [2]


def test_a_topic_refused_to_one_publish_is_that_record_s_fate(make_bench):
    bench = make_bench(publishes=True)
    bench.connect()
    bench.broker.refuse("secret/#", 0x87, "Not authorized")
    bench.outbox.add_publish("secret/door", 1)
    bench.outbox.add_publish("plant/fan", 1)
    bench.step()

    assert bench.outbox.settled[1] == (Verdict.DEAD, "Not authorized (reason 0x87) on secret/door")
    assert bench.outbox.verdicts(Verdict.DELIVERED) == [2]


# -- whatever happens -------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 7, 50]),
    st.sampled_from([None, 4.0]),
    st.sampled_from([1, 3, 64]),
)
@settings(deadline=None, max_examples=60)
def test_whatever_the_link_does_every_outcome_arrives_and_is_settled_once(seed, batch, every, window):
    dice = random.Random(seed)
    bench = Bench(batch=batch, every=every, window=window)
    misfortunes = [
        bench.broker.cut,
        lambda: setattr(bench.broker, "online", not bench.broker.online),
        lambda: setattr(bench.broker, "hung", not bench.broker.hung),
        lambda: bench.broker.refuse("#", 0x97, times=2),
        lambda: bench.clock.advance(dice.random() * 50),
        bench.sync.now,
    ]
    for _ in range(60):
        for _ in range(dice.randrange(4)):
            bench.outbox.add()
        if dice.random() < 0.3:
            dice.choice(misfortunes)()
        bench.clock.advance(dice.random())
        bench.step(dice.randrange(3))
    bench.broker.online, bench.broker.hung = True, False
    bench.pass_time(200)

    assert sorted(bench.arrived) == [stored.sequence for stored in bench.outbox.records]
    assert bench.outbox.verdicts(Verdict.DELIVERED) == sorted(bench.arrived)
    assert bench.outbox.backlog("default") == 0


def test_an_outcome_that_nobody_subscribes_to_is_delivered_but_said(bench):
    bench.broker.refuse("#", 0x10, "No matching subscribers", times=1)
    bench.outbox.add()
    bench.step()

    assert bench.outbox.settled == {1: (Verdict.DELIVERED, "")}
    assert bench.sync.report().last_error.startswith("nobody subscribes to ")
    assert bench.telemetry.total("edge_sync_unheard_total") == 1

    bench.outbox.add()
    bench.step()

    assert bench.sync.report().last_error == ""


# -- a disk that refuses ----------------------------------------------------------------------------------------------


def refuse_once(outbox, monkeypatch, operation):
    """The outbox's next `operation` fails as a full disk does."""
    working = getattr(outbox, operation)

    def refuse(*args, **kwargs):
        monkeypatch.setattr(outbox, operation, working)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(outbox, operation, refuse)


@pytest.mark.parametrize("operation", ["settle", "pending"])
def test_what_the_disk_refuses_is_said_and_tried_again_and_costs_neither_the_thread_nor_a_record(
    bench, monkeypatch, caplog, operation
):
    refuse_once(bench.outbox, monkeypatch, operation)
    for _ in range(3):
        bench.outbox.add()
    bench.step(2)
    assert bench.sync.report().last_error == "the journal refuses: No space left on device"
    bench.step()

    assert bench.arrived == [1, 2, 3]
    assert bench.outbox.verdicts(Verdict.DELIVERED) == [1, 2, 3]
    assert bench.telemetry.total("edge_sync_delivered_total") == 3
    assert bench.broker.repeats == 0
    assert caplog.text.count("the journal refuses") == 1


def test_a_refusal_for_good_that_the_disk_cannot_note_is_noted_later_and_counted_once(bench, monkeypatch):
    bench.broker.refuse("#", 0x99, times=1)
    refuse_once(bench.outbox, monkeypatch, "settle")
    bench.outbox.add()
    bench.step()

    assert bench.outbox.verdicts(Verdict.DEAD) == [1]
    assert bench.telemetry.total("edge_sync_dead_total") == 1
