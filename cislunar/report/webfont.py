"""The signs of a page that a reader's computer may lack, as a font inside the page."""

from __future__ import annotations

import base64
import hashlib
import io
from functools import lru_cache
from pathlib import Path

# words that a browser lays out before the font is there may stay empty boxes for good
SCRIPT = (
    'document.documentElement.style.display="none";'
    'document.fonts.load("1em IPAexGothic","\u5104").finally(function(){'
    'document.documentElement.style.display=""});'
)
WAIT = f"<script>{SCRIPT}</script>"
_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii")
# what a page without other scripts may do: show itself, and wait for its font
POLICY = (
    f"default-src 'none'; script-src 'sha256-{_DIGEST}'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; form-action 'none'; base-uri 'none'"
)


def with_signs(page: str) -> str:
    """The page with a font of its own signs beyond Latin, as a data URL in its first style.

    The styles name the reader's own Japanese fonts before this one, so it speaks only where none
    is installed: 億円 is no pair of empty boxes on any computer. The page shows once it is loaded,
    which takes a moment. Signs that the packaged font lacks are left to the reader's.

    >>> with_signs("<style></style>plain")
    '<style></style>plain'
    >>> with_signs("<style></style>億円")[:44]
    '<style>@font-face{font-family:"IPAexGothic";'
    """
    signs = "".join(sorted(c for c in set(page) if ord(c) > 0x2000))
    if not signs:
        return page
    code = base64.b64encode(_subset(signs)).decode("ascii")
    rule = (
        '@font-face{font-family:"IPAexGothic";'
        f'src:url(data:font/woff;base64,{code}) format("woff")}}'
    )
    return page.replace("</style>", f"{rule}</style>{WAIT}", 1)


@lru_cache(maxsize=8)
def _subset(signs: str) -> bytes:
    """A WOFF file that holds those of the signs that IPAex Gothic has."""
    import matplotlib_fontja
    from fontTools import subset
    from fontTools.ttLib import TTFont

    whole = Path(matplotlib_fontja.__file__).parent / "fonts" / "ipaexg.ttf"
    # copyright and licence stay in the font
    options = subset.Options(layout_features=[], hinting=False, name_IDs=[0, 13, 14])
    options.drop_tables += ["vhea", "vmtx"]
    with TTFont(whole, recalcTimestamp=False) as font:
        cut = subset.Subsetter(options)
        cut.populate(text=signs)
        cut.subset(font)
        font.flavor = "woff"
        stream = io.BytesIO()
        font.save(stream)
    return stream.getvalue()
