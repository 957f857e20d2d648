"""Parts of a data set that stay the same whatever else the data set holds."""

import hashlib

TEST, VALIDATION = 5, 5  # of 100


def part_of(key: str) -> str:
    """ "train", "validation" or "test", by the key's sha256: 90, 5 and 5 of 100 keys."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % 100
    if number < TEST:
        return "test"
    return "validation" if number < TEST + VALIDATION else "train"
