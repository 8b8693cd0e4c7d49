"""How much CPU groups of processes use, also those that end meanwhile: seconds hold on a machine that others use too, rates do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psutil


class CpuMeter:
    """Counts from its creation on; ``groups`` names the root processes of each group."""

    def __init__(self, groups: Mapping[str, Sequence[int]]) -> None:
        self._groups = {name: [psutil.Process(pid) for pid in pids] for name, pids in groups.items()}
        self._before = self._seconds()

    def used(self) -> dict[str, float]:
        """Seconds by group."""
        return {name: seconds - self._before[name] for name, seconds in self._seconds().items()}

    def _seconds(self) -> dict[str, float]:
        return {name: sum(map(_seconds_of_family, roots)) for name, roots in self._groups.items()}


def _seconds_of_family(root: psutil.Process) -> float:
    return sum(map(_seconds_of, [root, *root.children(recursive=True)]))


def _seconds_of(process: psutil.Process) -> float:
    """With what its ended children used."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
