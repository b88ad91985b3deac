"""Roadmaps: the same demand and supply over years of starts, under cases of what may come later.

``load_roadmap`` reads a roadmap file, ``run_roadmap`` runs its starts, ``load_roadmap_results``
reads what was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cislunar.faces import face

if TYPE_CHECKING:
    from cislunar.roadmap.file import Roadmap, load_roadmap
    from cislunar.roadmap.run import RoadmapResults, load_roadmap_results, run_roadmap

__all__ = ["Roadmap", "RoadmapResults", "load_roadmap", "load_roadmap_results", "run_roadmap"]
__getattr__ = face(__name__, {
    "Roadmap": "file",
    "load_roadmap": "file",
    "RoadmapResults": "run",
    "load_roadmap_results": "run",
    "run_roadmap": "run",
})  # fmt: skip
