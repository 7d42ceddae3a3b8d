"""The running pipeline as faults see it: processes by name, links by their two ends."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from chronos.assembly.pipeline import Pipeline
from chronos.chaos.links import Links


class Scene(Protocol):
    """What a fault may touch. Every process was started by this run."""

    @property
    def pipeline(self) -> Pipeline:
        """Gives the pipeline: its supervisor, crew and folder."""
        ...

    @property
    def links(self) -> Links:
        """Gives the proxies between processes and servers."""
        ...

    @property
    def folder(self) -> Path:
        """Gives the folder of the run: history, report, scratch files."""
        ...
