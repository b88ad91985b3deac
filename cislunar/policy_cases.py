"""Named cases of who may route through and range from whom: a case -> a policy of operators.

A case of the catalogue (kind ``policies``) splits networks of operators into groups by nation and
says which groups share. The networks are the scenario's own policy groups of that name, else the
catalogue's. The outcome is an ordinary policy, so that routing and ranging both obey it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cislunar import catalog
from cislunar.schema import Policy
from orbits.errors import InputError

EVERYONE = "everyone"
Operators = Mapping[str, str | None]  # operator: nation as its nodes have it


def policy_cases() -> tuple[str, ...]:
    """The names of the cases.

    >>> policy_cases()
    ('all-share', 'lunanet-only', 'japan-alone', 'without-us')
    """
    return tuple(n for n, record in catalog.load("policies").items() if "share" in record)


def expand_case(
    case: str, operators: Operators, networks: Mapping[str, Iterable[str]] | None = None
) -> dict[str, Any]:
    """The policy ``{case, groups, share}`` of a case, for the operators of a scenario.

    ``networks`` names the operators of a network where they are not the catalogue's. Raises
    InputError for a case that does not exist, and for an operator that must be sorted by nation
    and has none.

    >>> found = expand_case("japan-alone", {"jaxa": "JP", "nasa": "US", "x": "FR"})
    >>> found["groups"]["japan"], found["groups"]["others"][:2], "x" in found["groups"]["others"]
    (['jaxa', 'ispace', 'fukui-ut'], ['nasa', 'intuitive-machines'], False)
    """
    if case not in policy_cases():
        raise InputError(
            f"{case!r} is not a policy case", key="policy.case", value=case,
            allowed=", ".join(policy_cases()),
        )  # fmt: skip
    record = catalog.load("policies")[case]
    nations = {name: nation for name, nation in operators.items() if nation}
    nations |= catalog.operator_nations()
    groups = {
        name: [
            o for o in _members(rule["of"], operators, networks or {}) if _in(o, rule, nations)
        ]
        for name, rule in record["groups"].items()
    }  # fmt: skip
    return {"case": case, "groups": groups, "share": record["share"]}


def _members(network: str, operators: Operators, networks: Mapping[str, Iterable[str]]):
    if network == EVERYONE:
        return list(operators)
    if network in networks:
        return list(networks[network])
    return catalog.load("policies")[network]["operators"]


def _in(operator: str, rule: Mapping[str, Any], nations: Mapping[str, str]) -> bool:
    only, without = rule.get("nations"), rule.get("except_nations")
    if only is None and without is None:
        return True
    if operator not in nations:
        raise InputError(
            f"the nation of the operator {operator!r} is not known", key="policy.case",
            allowed="nation on one of its nodes",
        )  # fmt: skip
    nation = nations[operator]
    return (only is None or nation in only) and (without is None or nation not in without)


def operators_of(records: Iterable[Any]) -> dict[str, str | None]:
    """``{operator: nation}`` of nodes' records (or mappings): the first nation code met."""
    found: dict[str, str | None] = {}
    for record in records:
        get = record.get if isinstance(record, Mapping) else lambda n, r=record: getattr(r, n, None)
        operator, nation = get("operator"), get("nation")
        if operator:
            found[operator] = found.get(operator) or (nation.split("/")[0] if nation else None)
    return found


def with_policy(scenario: Any, case: str) -> Any:
    """The scenario under a named policy case; see ``policy_cases``. Raises InputError.

    Who belongs to the networks ``lunanet`` and ``china`` is what the policy's ``networks`` say,
    else its groups of these names, else the catalogue.

    >>> from cislunar.scenario import Scenario
    >>> s = Scenario(name="x", epoch="2030-03-01T00:00:00 UTC", duration_days=1, options=[],
    ...              ground_stations=[{"from": "misasa"}, {"from": "dsn-madrid"}])
    >>> with_policy(s, "all-share").policy.permits("jaxa", "nasa")
    True
    >>> with_policy(s, "japan-alone").policy.permits("jaxa", "nasa")
    False
    """
    given = scenario.policy
    networks = given.networks or (given.groups if given.case is None else {})
    records = [r for part in (scenario, *(o.adds for o in scenario.options)) for r in _nodes(part)]
    expanded = expand_case(case, operators_of(records), networks)
    return scenario.model_copy(update={"policy": Policy(**expanded, networks=networks)})


def _nodes(part: Any) -> Iterable[Any]:
    for kind in ("spacecraft", "constellations", "ground_stations", "assets"):
        yield from getattr(part, kind)
