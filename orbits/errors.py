"""The error family: each is also a builtin, and carries the data of the fault."""

LONGEST_KEY, LONGEST_WHAT, LONGEST_ALLOWED = 500, 500, 1500  # signs of a message's parts


def _plain(text: str, longest: int) -> str:
    """``text`` on one line, without signs that steer a terminal, and cut where it is too long."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: 4 * longest])
    return text if len(text) <= longest else text[: longest - 3] + "..."


class CislunarError(Exception):
    """Anything this project raises on purpose."""


class InputError(CislunarError, ValueError):
    """Something in a file or an argument is wrong and could be known before computing.

    ``str()`` is the one line a user reads: ``FILE: dotted.key: what is wrong, what is allowed``.
    """

    def __init__(self, what, *, file=None, key=None, value=None, allowed=None):
        self.file, self.key, self.value, self.what, self.allowed = file, key, value, what, allowed
        parts = [_plain(str(p), LONGEST_KEY) for p in (file, key) if p]
        text = _plain(str(what), LONGEST_WHAT)
        if allowed is not None:
            text += f"; allowed: {_plain(str(allowed), LONGEST_ALLOWED)}"
        super().__init__(": ".join([*parts, text]))


class SpanError(InputError):
    """A time outside the data: an ephemeris kernel, a trajectory, a file."""


class FamilyError(InputError):
    """An orbit parameter for which the family has no member."""


class ComputationError(CislunarError, RuntimeError):
    """A fault found only while computing."""


class ConvergenceError(ComputationError):
    """An iteration that did not converge; ``residual`` says how far it was."""

    def __init__(self, what, *, residual=None):
        self.residual = residual
        super().__init__(what if residual is None else f"{what} (residual {residual:.3g})")


class ImpactError(ComputationError):
    """A trajectory that strikes a body; ``t_s`` is when, ``body`` which."""

    def __init__(self, what, *, t_s=None, body=None):
        self.t_s, self.body = t_s, body
        super().__init__(what)


class EscapeError(ComputationError):
    """A flight that leaves the Earth-Moon system; ``t_s`` is when, ``distance_km`` how far out."""

    def __init__(self, what, *, t_s=None, distance_km=None):
        self.t_s, self.distance_km = t_s, distance_km
        super().__init__(what)
