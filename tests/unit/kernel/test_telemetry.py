"""Metrics as Prometheus reads them."""

from __future__ import annotations

from edge.telemetry import Telemetry


def test_the_text_declares_each_metric_once_and_escapes_labels():
    telemetry = Telemetry()
    telemetry.counter("edge_events_total", source="door").add(3)
    telemetry.counter("edge_events_total", source='a"b\\c').add()
    telemetry.gauge("edge_journal_pending_records", lambda: 7)
    telemetry.histogram("edge_run_seconds").observe(0.005)

    text = telemetry.render()

    assert text.count("# TYPE edge_events_total counter") == 1
    assert 'edge_events_total{source="door"} 3\n' in text
    assert 'edge_events_total{source="a\\"b\\\\c"} 1\n' in text
    assert "edge_journal_pending_records 7\n" in text
    assert 'edge_run_seconds_bucket{le="0.001"} 0\n' in text
    assert 'edge_run_seconds_bucket{le="0.01"} 1\n' in text
    assert 'edge_run_seconds_bucket{le="+Inf"} 1\n' in text
    assert "edge_run_seconds_count 1\n" in text


def test_the_same_name_and_labels_are_the_same_counter():
    telemetry = Telemetry()
    telemetry.counter("a", x="1", y="2").add()
    telemetry.counter("a", y="2", x="1").add()

    assert telemetry.total("a") == 2


def test_two_runtimes_count_apart():
    one, two = Telemetry(), Telemetry()
    one.counter("a").add()

    assert two.total("a") == 0
