"""How good the wall clock is, and what keeps it so."""

from __future__ import annotations

from collections.abc import Iterator

from edge.cli.doctor.findings import Finding, Machine
from edge.clock import Clock, iso


def examine_time(machine: Machine, clock: Clock) -> Iterator[Finding]:
    """Order of work never depends on this; time stamps do."""
    now, quality = iso(clock.wall()), clock.quality()
    if quality == "synced":
        yield Finding("ok", "clock", f"{now}, synchronised")
    elif quality == "estimated":
        remedy = f"{_remedy(machine)}; until then outcomes say `clock: estimated`"
        yield Finding("warn", "clock", f"{now}, not synchronised", remedy)
    else:
        yield Finding("fail", "clock", f"{now}: never set", _remedy(machine))
    if machine.glob("/sys/class/rtc", "rtc*"):
        yield Finding("ok", "clock", "a real-time clock keeps time without power")
    else:
        remedy = "add a DS3231 (dtoverlay=i2c-rtc,ds3231), or accept wrong time stamps until the network is there"
        yield Finding("warn", "clock", "no real-time clock: after power-on time is a guess", remedy)


def _remedy(machine: Machine) -> str:
    said = machine.run(["timedatectl", "show", "-p", "NTP"])
    if said is None:
        return "install chrony or systemd-timesyncd"
    return "timedatectl set-ntp true" if said.strip() == "NTP=no" else "wait for the network, or name an NTP server"
