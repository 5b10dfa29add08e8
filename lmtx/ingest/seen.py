"""Which ids and texts a file has had already, and in which row, in a few bytes each."""

from __future__ import annotations

import hashlib
from array import array


class SeenTable:
    """An open-addressing hash table from 64-bit digests to row numbers.

    A dict of digests costs over 150 bytes an entry; this costs at most 48, which keeps
    an import of millions of documents small. Two different keys share a digest with
    probability n² / 2^65 over n keys, 3e-8 at a million.
    """

    def __init__(self) -> None:
        self._mask = 1023
        self._keys = array("Q", bytes(8 * 1024))
        self._rows = array("Q", bytes(8 * 1024))
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def first_row(self, key: str, row: int) -> int | None:
        """Return the row that brought `key` first, or None and remember `row` (counted from 1)."""
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest, "little") or 1
        keys, mask = self._keys, self._mask
        slot = number & mask
        while keys[slot]:
            if keys[slot] == number:
                return self._rows[slot]
            slot = (slot + 1) & mask
        keys[slot] = number
        self._rows[slot] = row
        self._used += 1
        if 3 * self._used > 2 * mask:
            self._grow()
        return None

    def _grow(self) -> None:
        old_keys, old_rows = self._keys, self._rows
        size = 2 * (self._mask + 1)
        mask = size - 1
        keys, rows = array("Q", bytes(8 * size)), array("Q", bytes(8 * size))
        for number, row in zip(old_keys, old_rows, strict=True):
            if number:
                slot = number & mask
                while keys[slot]:
                    slot = (slot + 1) & mask
                keys[slot] = number
                rows[slot] = row
        self._keys, self._rows, self._mask = keys, rows, mask
