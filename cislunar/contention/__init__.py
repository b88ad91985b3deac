"""Who is served when links want the same terminal, antenna or beam.

``schedule`` makes the problem of a plan, has its windows solved in groups, and gives the plan that
is served with its bound; the others know no nodes and no plans:

- ``problem``: what is contended for: sessions, pools, windows;
- ``greedy``: a schedule made window after window, for any size;
- ``program``: variables, limits and objective of a mixed-integer program;
- ``milp``: the best schedule that changes at given instants;
- ``bound``: what no schedule can exceed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cislunar.faces import face

if TYPE_CHECKING:
    from cislunar.contention.schedule import Contended, Schedule, contend, navigating

__all__ = ["Contended", "Schedule", "contend", "navigating"]
__getattr__ = face(__name__, dict.fromkeys(__all__, "schedule"))
