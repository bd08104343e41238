"""What outputs are given, understood once: on and off, per cent, and a value for each of several channels."""

from collections.abc import Collection

from drivers.base import Value
from drivers.errors import OutOfRange

ON: tuple[Value, ...] = (True, 1, "on", "true", "1")
OFF: tuple[Value, ...] = (False, 0, "off", "false", "0")


def on_off(value: Value, part: str) -> bool:
    """True, 1 or "on"; False, 0 or "off". `OutOfRange` names the part ("a relay")."""
    if value in ON:
        return True
    if value in OFF:
        return False
    raise OutOfRange(f'{part} takes true, 1 or "on"; false, 0 or "off"; not {value!r}')


def percent(value: Value, part: str) -> float:
    """0 to 100, also as a text; on is 100, off is 0. `OutOfRange` names the part."""
    if isinstance(value, bool) or value in ("on", "off"):
        return 100.0 if value in ON else 0.0
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise OutOfRange(f'{part} takes 0 to 100 (per cent), "on" or "off", not {value!r}')
    return number


def each(value: Value, channels: Collection[str], part: str) -> dict[str, Value]:
    """A value for each channel named in a text `p0=on p3=off`; any other value is meant for all channels.

    Raises `OutOfRange` where a channel is unknown or named twice.
    """
    if not (isinstance(value, str) and "=" in value):
        return dict.fromkeys(channels, value)
    given: dict[str, Value] = {}
    for word in value.replace(",", " ").split():
        channel, _, wanted = word.partition("=")
        if channel not in channels or channel in given:
            first, *_, last = channels
            problem = f"{channel!r} twice" if channel in given else f"no channel {channel!r}"
            raise OutOfRange(f"{part} has {problem}; it takes a value for all, or words such as {first}=on {last}=off")
        given[channel] = wanted
    return given
