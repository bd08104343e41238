"""Brokers, topics, upstreams and where metrics listen; and the ways in which messages could go round in circles."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

from edge.config.models import Broker, Config
from edge.config.report import Report, Steps
from edge.config.rules.survey import Survey
from edge.config.tasks import Grant
from edge.config.topics import Address, filter_problem, overlap, parse_broker, topic_problem

_PLACEHOLDER = "{id} is this gateway's id"
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):([0-9]{1,5})")


def check_links(survey: Survey) -> None:
    """Everything that leaves or reaches the gateway over a network."""
    config, report = survey.config, survey.report
    if config.mqtt is not None:
        _check_broker(("mqtt",), config.mqtt, survey)
        _check_subscriptions(config, report)
    for name, upstream in config.upstream.items():
        steps: Steps = ("upstream", name)
        _check_broker(steps, upstream, survey)
        if not report.lost((*steps, "topic")):
            _check_topic((*steps, "topic"), topic_problem(upstream.topic), report, "such as edge/{id}/outcomes")
    _check_formerly(config, report)
    _check_publishing(survey)
    _check_listen(config, report)
    _check_echo(config, report)
    _check_cycles(config, report)


def _check_broker(steps: Steps, settings: Broker, survey: Survey) -> None:
    report = survey.report
    if report.lost((*steps, "broker")):
        return
    try:
        address = parse_broker(settings.broker)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        report.at((*steps, "broker"), message, hint)
        return
    usual = {(True, 1883): "mqtts (TLS) on 1883, the usual port of plain mqtt",
             (False, 8883): "plain mqtt on 8883, the usual port of TLS (mqtts)"}  # fmt: skip
    if (address.tls, address.port) in usual:
        report.warn((*steps, "broker"), usual[address.tls, address.port], "check scheme and port")
    _check_tls(steps, settings, address, survey)


def _check_tls(steps: Steps, settings: Broker, address: Address, survey: Survey) -> None:
    report = survey.report
    files = {key: getattr(settings, key) for key in ("ca", "cert", "key")}
    for key, path in files.items():
        if path is None:
            continue
        if not address.tls:
            report.at(
                (*steps, key), f"{key} is for TLS, and the broker's address begins with mqtt://", "write mqtts://"
            )
        elif not survey.simulated and not Path(path).is_file():
            report.at((*steps, key), f"there is no file {path}", "relative paths start at this file's folder")
    for one, other in (("cert", "key"), ("key", "cert")):
        if files[one] is not None and files[other] is None and not report.lost((*steps, other)):
            report.at((*steps, one), f"{one} needs {other}", f"add {other}: FILE")
    if settings.password is not None and settings.user is None and not report.lost((*steps, "user")):
        report.at((*steps, "password"), "a password needs a user", "add user: NAME")


def _check_topic(steps: Steps, problem: str, report: Report, example: str = "such as plant/+/vibration") -> None:
    if problem:
        report.at(steps, problem, _PLACEHOLDER if "placeholder" in problem else example)


def _check_subscriptions(config: Config, report: Report) -> None:
    seen: dict[str, str] = {}
    for name, subscription in config.mqtt.subscribe.items() if config.mqtt else ():
        steps: Steps = ("mqtt", "subscribe", name, "topic")
        _check_topic(steps, filter_problem(subscription.topic), report)
        owner = seen.setdefault(subscription.topic, name)
        if owner != name:
            message = f"{owner} has the same filter; a broker keeps one subscription of it"
            report.at(steps, message, f"let several tasks use source: {owner}")


def _check_formerly(config: Config, report: Report) -> None:
    claimed: dict[str, str] = {}
    for name, upstream in config.upstream.items():
        former = upstream.formerly
        if former is None:
            continue
        steps: Steps = ("upstream", name, "formerly")
        if former == name:
            report.at(steps, f"{name} names itself", "formerly is the name it had before; delete it if it had none")
        elif former in config.upstream:
            report.at(steps, f"{former} is still configured and keeps its own backlog", "name one that is gone")
        elif claimed.setdefault(former, name) != name:
            report.at(steps, f"{claimed[former]} takes over the backlog of {former} already", "only one upstream can")


def _check_publishing(survey: Survey) -> None:
    report = survey.report
    grants: dict[Steps, Grant] = {("tasks", name): task.grant for name, task in survey.config.tasks.items()}
    if survey.config.on_the_fly is not None:
        grants["on_the_fly",] = survey.config.on_the_fly.grant
    for place, grant in grants.items():
        steps: Steps = (*place, "grant", "publish")
        if grant.publish and "mqtt" not in survey.data and not report.lost(("mqtt",)):
            report.at(steps, "there is no broker to publish to", "add mqtt: {broker: mqtt://...}")
        for index, topic in enumerate(grant.publish):
            problem = filter_problem(topic)
            if not problem and topic.startswith("$"):
                problem = "topics that begin with $ belong to the broker"
            _check_topic((*steps, index), problem, report)


def _check_listen(config: Config, report: Report) -> None:
    if config.metrics is None or report.lost(("metrics", "listen")):
        return
    match = _LISTEN.fullmatch(config.metrics.listen)
    if match is None or int(match.group(2)) > 65535:
        message = f"{config.metrics.listen[:60]!r} is not an address and a port from 0 to 65535"
        report.at(("metrics", "listen"), message, "127.0.0.1:9464 for this machine, 0.0.0.0:9464 for the network")


def _check_echo(config: Config, report: Report) -> None:
    """Outcomes sent to a topic that starts a task come back as events, each making the next outcome."""
    if config.mqtt is None:
        return
    used = {settings.when.source for settings in config.tasks.values()}
    for name, upstream in config.upstream.items():
        for source, subscription in config.mqtt.subscribe.items():
            if source in used and _same_broker(config.mqtt, upstream) and overlap(subscription.topic, upstream.topic):
                message = f"outcomes sent here come back through the source {source} and start tasks without end"
                report.at(("upstream", name, "topic"), message, "use a topic that mqtt.subscribe does not match")


def _same_broker(one: Broker, other: Broker) -> bool:
    try:
        return parse_broker(one.broker) == parse_broker(other.broker)
    except ValueError:
        return False


def _check_cycles(config: Config, report: Report) -> None:
    """Tasks that may start themselves by what they publish. The hop count stops them at run time, but late."""
    if config.mqtt is None:
        return
    starts = {
        name: config.mqtt.subscribe[settings.when.source].topic
        for name, settings in config.tasks.items()
        if settings.when.source in config.mqtt.subscribe
    }
    follows = {
        name: [
            other
            for other, topic in starts.items()
            if any(overlap(granted, topic) for granted in config.tasks[name].grant.publish)
        ]
        for name in starts
    }
    told: set[frozenset[str]] = set()
    for name in follows:
        ring = _ring(name, follows)
        if ring and frozenset(ring) not in told:
            told.add(frozenset(ring))
            message = f"{' -> '.join([*ring, name])}: what is published may start the task that published it"
            report.warn(("tasks", name, "grant", "publish"), message, "narrow the grant, or subscribe to another topic")


def _ring(name: str, follows: dict[str, list[str]]) -> list[str]:
    """The shortest way from a task back to itself; empty when there is none."""
    ways = deque([[name]])
    seen: set[str] = set()
    while ways:
        way = ways.popleft()
        for following in follows[way[-1]]:
            if following == name:
                return way
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []
