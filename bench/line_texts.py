# SPDX-License-Identifier: Apache-2.0
"""Texts to split into lines: always the same for the same size and kind."""

import random

ASCII = "ASCII"
MIXED = "mixed"

WORDS = {
    ASCII: "the quick brown fox jumps over 13 lazy dogs and reads GET /index.html 200 OK".split(),
    MIXED: ["Grüße", "aus", "Köln", "schöne", "Übung", "und", "größer", "你好", "世界", "行读取器",
            "测试", "😀", "🚀", "naïve", "café", "日本語", "ok", "über", "Straße", "42"],
}

_TILE = 1 << 18  # bytes, at least; then the text repeats


def _line(words, numbers, size):
    """Words of just `size` bytes, LF included."""
    text = b""
    while True:
        longer = text + numbers.choice(words).encode() + b" "
        if len(longer) > size - 1:
            return text.ljust(size - 1, b".") + b"\n"
        text = longer


def make(kind, line_size, size):
    """About `size` bytes of lines of `line_size` bytes."""
    numbers = random.Random(line_size)
    count = max(4, _TILE // line_size)
    # A long line is made of pieces, because words one by one would take their time.
    tile = b""
    for _ in range(count):
        pieces = [_line(WORDS[kind], numbers, min(line_size, 1024))[:-1]
                  for _ in range(max(1, line_size // 1024))]
        tile += b" ".join(pieces) + b"\n"
    return tile * max(1, size // len(tile))
