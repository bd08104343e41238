"""docs/guides/configuration.md lists every key with its default and meaning, as the models have them."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from edge.config.schema import all_models, keys

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "configuration.md"
MODELS = list(all_models().values())


def table(model: type[BaseModel]) -> str:
    """The keys that this model adds to those it inherits."""
    inherited = {key for base in model.__bases__ if issubclass(base, BaseModel) for key in keys(base)}
    written = model.model_construct().model_dump(mode="json", by_alias=True)
    rows = ["| key | default | |", "| --- | --- | --- |"]
    for key, info in keys(model).items():
        if key not in inherited:
            rows.append(f"| `{key}` | {_default(written.get(key), info.is_required())} | {info.description} |")
    return "\n".join(rows) + "\n"


def _default(value: object, required: bool) -> str:
    if required:
        return "**required**"
    if value is None or isinstance(value, list | dict):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_in_the_guide_with_its_default(model: type[BaseModel]) -> None:
    expected = table(model)

    assert expected in PAGE.read_text(encoding="utf-8"), f"docs/guides/configuration.md needs\n\n{expected}"
