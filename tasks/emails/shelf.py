"""Import this to have every kind on the shelf: it imports each file of ``kinds``."""

from __future__ import annotations

from tasks.emails import kinds
from tasks.shelves import fill

fill(kinds)
