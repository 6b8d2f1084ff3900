"""The lists of the append workload: numbers with blanks between."""

from functools import lru_cache


@lru_cache(maxsize=1 << 17)
def elements_of(value: str | None) -> tuple[int, ...]:
    """-1, which nobody appends, for what is no number."""
    words = value.split() if value else ()
    return tuple(int(word) if word.isdigit() else -1 for word in words)
