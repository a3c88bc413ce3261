"""Words of titles and descriptions; of Chinese, Japanese and Korean every two neighbouring characters."""

from __future__ import annotations

import re

_DENSE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts that write without spaces: kana, ideographs, hangul."""
_FIRST = re.compile(f"[{_DENSE}]")
_PIECE = re.compile(f"[{_DENSE}]+|[^\\W_{_DENSE}]+")


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, in order, numbers too.

    Of scripts that write without spaces: every two neighbouring characters, a single one by itself.

    >>> words("Green TEA, 2nd_cup"), words("红茶杯x"), words("茶")
    (['green', 'tea', '2nd', 'cup'], ['红茶', '茶杯', 'x'], ['茶'])
    """
    found: list[str] = []
    for piece in _PIECE.findall(text.lower()):
        if _FIRST.match(piece):
            found += [piece[i : i + 2] for i in range(max(1, len(piece) - 1))]
        else:
            found.append(piece)
    return found
