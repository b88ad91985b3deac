"""What would fill the gaps: a pool of options, each added and run again, and the best set of them.

- ``option`` reads options and adds them to a scenario; ``reruns`` runs a scenario with some added;
- ``fill`` ranks them one by one, and searches for a set greedily where only reruns can tell;
- ``pool`` and ``open_fixes`` put all options into one situation: a set of them is a selection;
- ``subsets`` and ``pool_value`` tell what sets serve, ``branching`` which is best;
  ``portfolio`` takes the answer from them, and ``attribution`` says whose merit it is;
- ``economics``, ``robustness``, ``outlook`` and ``independence`` are what a chosen set is worth;
- ``proposal`` alone knows the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cislunar.faces import face

if TYPE_CHECKING:
    from cislunar.options.fill import choose_portfolio, rank_options
    from cislunar.options.option import Option, add_option, add_options, read_option
    from cislunar.options.proposal import propose

__all__ = [
    "Option", "add_option", "add_options", "choose_portfolio", "propose", "rank_options",
    "read_option",
]  # fmt: skip
__getattr__ = face(__name__, {
    "Option": "option",
    "add_option": "option",
    "add_options": "option",
    "read_option": "option",
    "choose_portfolio": "fill",
    "rank_options": "fill",
    "propose": "proposal",
})  # fmt: skip
