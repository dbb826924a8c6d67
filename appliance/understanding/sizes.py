"""How much a template can say: what would take all time or memory is refused before it does.

A few brackets can say more than anybody: a rule of rules of rules, or thirty choices that make one word.
"""

from dataclasses import dataclass

CHARACTERS_MAX = 2_000
"""Of the longest sentence: the built-in ones have at most 152, and what is longer than 500 is not matched."""

SPELLINGS_MAX = 20_000
"""Ways to write what stands between two blanks: `light[s]` has two; choices without blanks between them multiply."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much a part of a template says, at most."""

    longest: int
    """Characters."""

    solid: int
    """Texts without a blank."""

    left: int
    right: int
    """Texts before the first blank, and behind the last, of the others."""

    spellings: int
    """The most of one word, as far as it is known."""

    def check(self, template: str) -> None:
        """Raises ValueError where it is too much."""
        if self.longest > CHARACTERS_MAX:
            raise ValueError(
                f"'{template}': it can be longer than {CHARACTERS_MAX} letters; use fewer rules inside rules"
            )
        if self.spellings > SPELLINGS_MAX:
            raise ValueError(
                f"'{template}': one word of it can be written in more than {SPELLINGS_MAX} ways; "
                "put blanks between its brackets, or fewer choices into them"
            )


def in_a_row(sizes: list[Size]) -> Size:
    """One after the other."""
    whole = Size(0, 1, 0, 0, 1)
    for size in sizes:
        solid, left = whole.solid * size.solid, whole.left + whole.solid * size.left
        right = size.right + whole.right * size.solid
        spellings = max(whole.spellings, size.spellings, solid, left, right, whole.right * size.left)
        whole = Size(whole.longest + size.longest, solid, left, right, spellings)
    return whole


def one_of(sizes: list[Size]) -> Size:
    """One of them; at least one."""
    return Size(
        max(size.longest for size in sizes),
        sum(size.solid for size in sizes),
        sum(size.left for size in sizes),
        sum(size.right for size in sizes),
        max(size.spellings for size in sizes),
    )
