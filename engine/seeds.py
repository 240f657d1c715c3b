"""The one source of randomness: seeds derived from where they are used, never from how much was drawn before.

A resumed run therefore needs no random state from disk, and an extra draw in one place cannot shift another.
"""

import hashlib


def derive_seed(run_seed: int, step: int, purpose: str, index: int = 0) -> int:
    """A 63-bit seed for one use of randomness, stable across processes and machines."""
    digest = hashlib.blake2b(f"{run_seed}/{step}/{purpose}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
