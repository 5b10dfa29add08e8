"""The zoo: configurations that ship with the product, and what was measured of them."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def tried() -> list[dict[str, Any]]:
    """Return the configurations in `zoo/`, by name: their fields are those of `ZooEntry` of the workspace."""
    found = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in (files("lmtx.pretrain") / "zoo").iterdir()
        if path.name.endswith(".json")
    ]
    return sorted(found, key=lambda entry: str(entry["name"]))
