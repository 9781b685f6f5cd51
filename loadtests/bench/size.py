"""How long a bench runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """`quick` shows that it works and the order of magnitude; `full` is for the record.

    `most` bounds how often each comparison is repeated, whatever is compared.
    """

    quick: bool
    most: int = 100

    def of(self, *, quick: int, full: int) -> int:
        return quick if self.quick else full

    def rounds(self, *, quick: int, full: int) -> int:
        return min(self.of(quick=quick, full=full), self.most)
