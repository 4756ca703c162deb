"""What the README says of settings is what they are."""

import re
from pathlib import Path

from pydantic_core import PydanticUndefined

from reinschrift.flows.config import Settings

README = Path(__file__).parents[2] / "README.md"
ROW = re.compile(r"^\| `([a-z_]+)` \| ([^|]+) \|", re.MULTILINE)
IN_WORDS = {"workers": "one a core", "columns": "by name"}


def shown(value):
    """A default as the table writes it."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None or value == ():
        return "none"
    if isinstance(value, int | float):
        return f"{value:,g}" if value < 1000 else f"{int(value):,}"
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


def test_every_setting_is_in_the_table_with_its_default():
    text = README.read_text(encoding="utf-8")
    table = text[text.index("| name | default |") : text.index("## The laws")]
    told = {name: default.strip() for name, default in ROW.findall(table)}
    assert set(told) == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        if field.default is not PydanticUndefined and name not in IN_WORDS:
            assert told[name] == shown(field.default), name
