"""What a policy's groups leave out: said in words, in ``check`` and after a run.

An operator misspelt in a group is no fault of the file, and its nodes then share with nobody, as
if it had been meant so. Whom nobody knows, and who is in no group, is therefore named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cislunar import catalog

if TYPE_CHECKING:
    from cislunar.schema import Policy


def policy_notes(
    policy: Policy, nodes: Iterable[Any], options: Iterable[Any] = ()
) -> list[dict[str, str]]:
    """Operators of groups that nobody has, and of nodes that are in no group, English and Japanese.

    Known are the operators of the nodes, of what ``options`` add, and of the catalogue. No notes
    of a policy without groups: there everyone may use everything.

    >>> from types import SimpleNamespace as Named
    >>> from cislunar.schema import Policy
    >>> policy = Policy(groups={"us": ["nassa", "esa"]})
    >>> for note in policy_notes(policy, [Named(name="hls", operator="nasa")]):
    ...     print(note["en"])
    The policy's groups name an operator that no node here and no catalogue record has: nassa.
    In no group of the policy, so sharing with nobody: hls (nasa).
    """
    members = {operator for group in policy.groups.values() for operator in group}
    if not members:
        return []
    owned: dict[str, list[str]] = {}
    for node in nodes:
        if node.operator is not None:
            owned.setdefault(node.operator, []).append(node.name)
    added = {
        record.operator
        for option in options
        for kind in ("spacecraft", "constellations", "ground_stations", "assets")
        for record in getattr(option.adds, kind)
    }
    strange = ", ".join(sorted(members - owned.keys() - added - catalog.operator_nations().keys()))
    alone = "; ".join(
        f"{', '.join(owned[operator])} ({operator})" for operator in sorted(owned.keys() - members)
    )
    notes = []
    if strange:
        notes.append({
            "en": "The policy's groups name an operator that no node here and no catalogue record "
                  f"has: {strange}.",
            "ja": "方針のグループに、ここのノードにもカタログの記録にもない運用者がある："
                  f"{strange}。",
        })  # fmt: skip
    if alone:
        notes.append({
            "en": f"In no group of the policy, so sharing with nobody: {alone}.",
            "ja": f"方針のどのグループにも属さず、誰とも共用しないもの：{alone}。",
        })  # fmt: skip
    return notes
