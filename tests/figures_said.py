"""Figures in sentences: which there are, and which of them nothing explains."""

from __future__ import annotations

import re

from cislunar.text import keys

# in a sentence, where Japanese words stand beside figures without a space
SAID = re.compile(r"(?<![A-Za-z_.\d])\d(?:[\d,]*\d)?(?:\.\d+)?")


def constants(language, *prefixes):
    """Figures that the phrases themselves hold, such as the 95 of a percentile."""
    plain = [re.sub(r"\{\w+\}", "", entry[language]) for key, entry in keys().items()
             if key.startswith(prefixes)]  # fmt: skip
    return {n for phrase in plain for n in SAID.findall(phrase)}


def unknown(sentence, names, allowed):
    """The figures of a sentence that stand in none of the records, names of things left out."""
    for name in sorted(names, key=len, reverse=True):
        sentence = sentence.replace(name, "")
    return [n for n in SAID.findall(sentence) if n not in allowed]
