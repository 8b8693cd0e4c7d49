"""Ids as Stripe writes them, derived from a seed so that the same story told twice has the same ids."""

from __future__ import annotations

import hashlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def stripe_id(prefix: str, seed: str, length: int = 24) -> str:
    """``stripe_id("evt_", "a")`` is always the same 24 characters after ``evt_``; another seed gives others."""
    number = int.from_bytes(hashlib.sha512(f"{prefix}\x00{seed}".encode()).digest(), "big")
    characters = []
    for _ in range(length):
        number, remainder = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[remainder])
    return prefix + "".join(characters)


def session_id(seed: str, *, livemode: bool = False) -> str:
    return stripe_id("cs_live_a1" if livemode else "cs_test_a1", seed, length=56)
