"""The comparison table on debtags: `LMTX_DATA=... python benchmarks/debtags.py [--seeds 3]`."""

from __future__ import annotations

from common import main

if __name__ == "__main__":
    main("debtags")
