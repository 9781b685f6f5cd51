"""How long a bench runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """`quick` shows that it works and the order of magnitude; `full` is for the record."""

    quick: bool

    def of(self, *, quick: int, full: int) -> int:
        return quick if self.quick else full
