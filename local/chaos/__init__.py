"""``make chaos``: thousands of events while everything is killed at random, and the one invariant checked row by row."""
