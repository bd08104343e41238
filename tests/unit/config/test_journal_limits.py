"""What `journal:` says reaches the journal, key by key."""

from __future__ import annotations

from edge.config.models import JournalSection
from edge.journal import Limits


def test_without_a_word_the_journal_has_its_own_limits_but_leaves_the_disk_some_room() -> None:
    assert Limits.of(JournalSection()).min_free == 16_000_000
    classes = ("alarm", "telemetry", "publish")
    mine, said = Limits(), Limits.of(JournalSection())
    for name in ("max_size", "thin_to", "keep_delivered", "keep_delivered_count", "keep_dead", "table_size", "tables"):
        assert getattr(said, name) == getattr(mine, name), name
    assert [said.policy(klass) for klass in classes] == [mine.policy(klass) for klass in classes]
    assert [said.level(klass) for klass in classes] == [mine.level(klass) for klass in classes]
    assert [said.time_to_live(klass) for klass in classes] == [None, None, None]


def test_every_key_of_the_journal_reaches_it() -> None:
    given = {
        "max_size": "1MB",
        "min_free": "2MB",
        "when_full": {"alarm": "block", "telemetry": "thin", "publish": "drop_newest"},
        "thin_to": 3,
        "expire": {"publish": "10m"},
        "durability": {"telemetry": "memory"},
        "keep_delivered": "2d",
        "keep_delivered_count": 5,
        "keep_dead": "3d",
        "table_size": "1MB",
        "tables": 9,
    }
    untold = JournalSection.model_fields.keys() - given.keys()
    limits = Limits.of(JournalSection.model_validate(given))

    assert untold == {"path", "encrypt"}, "a new key of the journal needs a line here"
    assert (limits.max_size, limits.min_free, limits.thin_to) == (1_000_000, 2_000_000, 3)
    assert [limits.policy(klass) for klass in ("alarm", "telemetry", "publish")] == ["block", "thin", "drop_newest"]
    assert (limits.time_to_live("publish"), limits.time_to_live("alarm")) == (600.0, None)
    assert (limits.level("telemetry"), limits.level("alarm")) == ("memory", "fsync")
    assert (limits.keep_delivered, limits.keep_delivered_count, limits.keep_dead) == (172_800.0, 5, 259_200.0)
    assert (limits.table_size, limits.tables) == (1_000_000, 9)
