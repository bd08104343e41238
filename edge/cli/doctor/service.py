"""The runtime itself: does one run, is it a service, is its control socket reachable."""

from __future__ import annotations

from collections.abc import Iterator

from edge.cli.doctor.findings import Finding, Machine
from edge.cli.exits import Stop
from edge.cli.gateway import Gateway
from edge.errors import RuntimeUnreachable


def examine_service(machine: Machine, gateway: Gateway | None) -> Iterator[Finding]:
    """systemd, and the runtime where there is a configuration."""
    yield _systemd(machine)
    if gateway is not None:
        yield _runtime(gateway)


def _systemd(machine: Machine) -> Finding:
    if not machine.path("/run/systemd/system").is_dir():
        return Finding(
            "warn", "service", "systemd does not run here", "something else must restart `edge run` on exit 3"
        )
    state = (machine.run(["systemctl", "show", "edge.service", "-p", "LoadState", "-p", "ActiveState"]) or "").split()
    if "LoadState=loaded" not in state:
        return Finding("warn", "service", "edge.service is not installed", "deploy/install.sh makes it start at boot")
    if "ActiveState=active" not in state:
        return Finding("fail", "service", "edge.service does not run", "journalctl -u edge; systemctl start edge")
    return Finding("ok", "service", "edge.service runs")


def _runtime(gateway: Gateway) -> Finding:
    try:
        degraded: list[str] = gateway.ask("status")["degraded"]
    except RuntimeUnreachable:
        return Finding("warn", "runtime", f"none runs for {gateway.file}", f"edge run -c {gateway.file}")
    except Stop as stop:
        return Finding("fail", "runtime", str(stop))
    if degraded:
        return Finding("warn", "runtime", f"runs degraded: {'; '.join(degraded)}", "`edge status` shows every part")
    return Finding("ok", "runtime", "runs, and all parts work")
