"""The demo as a live screen; the only file that imports rich."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console, Group
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge.demo.picture import Picture, bars

LEAST_WIDTH, LEAST_HEIGHT = 76, 24


class Screen:
    """Takes the whole terminal until `close`. Raises ValueError for one that is too small or cannot be drawn on."""

    def __init__(self) -> None:
        console = Console()
        if not console.is_terminal or console.is_dumb_terminal or "utf" not in console.encoding.lower():
            raise ValueError("not a terminal that can be drawn on")
        if console.width < LEAST_WIDTH or console.height < LEAST_HEIGHT:
            raise ValueError(f"the terminal is smaller than {LEAST_WIDTH} x {LEAST_HEIGHT}")
        self._console = console
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._live.start()

    def show(self, picture: Picture) -> None:
        self._live.update(draw(picture, self._console.width), refresh=True)

    def close(self) -> None:
        self._live.stop()


def draw(picture: Picture, width: int) -> Layout:
    """The picture as rich understands it."""
    layout = Layout()
    layout.split_column(
        Layout(_title(picture), size=3),
        Layout(name="middle", size=10),
        Layout(_backlog(picture, width), size=4),
        Layout(_arrived(picture)),
    )
    left = Group(_pairs(picture.readings), Text(), _states(picture.links))
    layout["middle"].split_row(
        Layout(Panel(left, title="greenhouse")), Layout(Panel(_pairs(picture.runs), title="runs"))
    )
    return layout


def _title(picture: Picture) -> Panel:
    text = Text.assemble((f"{picture.hour}  ", "bold"), picture.caption, (f"   {picture.second:.0f} s", "dim"))
    return Panel(text, title="edge demo", subtitle="Ctrl-C ends it")


def _backlog(picture: Picture, width: int) -> Panel:
    graph = Text(bars(picture.backlogs, width - 4), "yellow" if picture.backlog else "green")
    counters = Text("   ".join(f"{name} {count}" for name, count in picture.counters.items()), "dim")
    title = f"outcomes waiting in the journal: {picture.backlog} (most so far {picture.longest})"
    return Panel(Group(graph, counters), title=title)


def _arrived(picture: Picture) -> Panel:
    lines = Text("\n".join(picture.arrived), no_wrap=True, overflow="ellipsis")
    return Panel(lines, title="arrived upstream, newest first")


def _pairs(pairs: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, text in pairs.items():
        table.add_row(name, text)
    return table


def _states(states: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, state in states.items():
        table.add_row(f"link {name}", Text(state, "green" if state == "connected" else "red"))
    return table
