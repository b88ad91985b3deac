"""The words of reports, plots and the terminal, in English and Japanese (``report/text.yaml``)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

LANGUAGES = ("en", "ja")
FILE = Path(__file__).parent / "report" / "text.yaml"


@lru_cache(maxsize=1)
def _catalogue() -> dict[str, dict[str, str]]:
    import yaml

    with FILE.open(encoding="utf-8") as stream:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return yaml.load(stream, Loader=loader)  # our own file, and the safe loader


class Text:
    """The words of one language: ``text(key, **numbers)`` gives a finished phrase.

    Raises KeyError for a key that the catalogue does not have: a missing word is a defect.

    >>> Text("ja")("service.relay")
    '中継'
    """

    def __init__(self, language: str = "en"):
        if language not in LANGUAGES:
            from orbits.errors import InputError

            raise InputError(f"no text in language {language!r}", allowed=", ".join(LANGUAGES))
        self.language = language

    def __call__(self, key: str, **values) -> str:
        phrase = _catalogue()[key][self.language]
        return phrase.format(**values) if values else phrase

    def either(self, key: str, fallback: str) -> str:
        """The phrase of a key made from data (a cause, a kind), or the data's own word."""
        entry = _catalogue().get(key)
        return entry[self.language] if entry else fallback


def keys() -> dict[str, dict[str, str]]:
    """Every key of the catalogue with its phrases by language."""
    return _catalogue()
