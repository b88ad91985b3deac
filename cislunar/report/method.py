"""How the figures were found, stage by stage; only what the run did is said."""

from __future__ import annotations

from cislunar.text import Text


def method_sentences(results, text: Text) -> list[str]:
    """What was done to reach the figures, a sentence or two a stage that the run went through."""
    scenario = results.scenario
    out = [text.either(f"method.orbits_{scenario.fidelity}", "")] if results.trajectories else []
    if len(results.access):
        out.append(text("method.access", step=f"{scenario.step_s:g}"))
    if len(results.contacts):
        out.append(text("method.links"))
    if len(results.comm_scores):
        out.append(text("method.communication"))
    if len(results.positioning_scores):
        out.append(text("method.positioning"))
    if results.coverage is not None:
        out.append(text("method.coverage"))
    if len(results.gaps):
        out.append(text("method.gaps"))
    if len(results.fills):
        out.append(text("method.options"))
    out.append(text("method.evidence"))
    return [sentence for sentence in out if sentence]
