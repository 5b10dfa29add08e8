"""The comparison table on congress: `LMTX_DATA=... python benchmarks/congress.py [--seeds 3]`."""

from __future__ import annotations

from common import main

if __name__ == "__main__":
    main("congress")
