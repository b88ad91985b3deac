"""What every record of a scenario is made of: the frozen base, and where a value comes from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Confidence = Literal["primary", "press", "transcription", "derived", "unverified", "assumption"]


def key(description: str, default: Any = None, **more: Any) -> Any:
    """A field with its description; ``...`` as default makes it required."""
    return Field(default, description=description, **more)


class Record(BaseModel):
    """Base of every record: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Itself:
    """A record as a key by identity: records hold mappings, so their content has no hash.

    >>> one = Record()
    >>> Itself(one) == Itself(one), Itself(one) == Itself(Record())
    (True, False)
    """

    __slots__ = ("it",)

    def __init__(self, it: Any):
        self.it = it

    def __hash__(self) -> int:
        return id(self.it)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Itself) and other.it is self.it


class Sourced(Record):
    """A record that may come from the catalogue and says where its values are from."""

    catalog_id: str | None = key("catalogue record it was taken from")
    overridden: tuple[str, ...] = key("keys of the catalogue record replaced by the scenario", ())
    name_en: str | None = key("name in English, for reports")
    name_ja: str | None = key("name in Japanese, for reports")
    sources: tuple[dict[str, Any], ...] = key("list of {title, url, date}", ())
    date: str | None = key("date of the newest source")
    confidence: Confidence | None = key("confidence of the main values")
    field_confidence: dict[str, str] = key("confidence of single fields", {})
    conflicts: tuple[dict[str, Any], ...] = key("differing published values, all kept", ())
    reason: str | None = key("why an assumed value is what it is")
    reason_ja: str | None = key("the same in Japanese, for reports")
    note: str | None = key("free text")
    note_ja: str | None = key("the same in Japanese, for reports")
