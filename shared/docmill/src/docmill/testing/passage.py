"""English prose with known words, for documents that must read as real ones."""

import random
from typing import Final

SENTENCES: Final = (
    "The harbour was quiet when the first boat came in with the morning tide.",
    "Every letter that reached the office was opened, stamped and laid in a tray.",
    "She kept the keys of the old archive in a tin box behind the counter.",
    "Three bridges cross the river, and the oldest of them carries only walkers.",
    "A careful clerk writes the date before the name and the name before the sum.",
    "Rain had softened the road, so the wagons waited for an hour by the mill.",
    "The committee agreed to meet again in spring and to publish its report.",
    "Nobody could explain why the clock in the square was always eight minutes late.",
    "Fresh bread, cheese and apples were sold under the long roof of the market.",
    "The survey counted forty houses, two schools and one small library.",
    "He read the contract twice, folded it and asked for a better pen.",
    "Snow covers the upper valley from November until the middle of March.",
    "The engine was repaired within a week, and the line was open once more.",
    "Please return the signed copy to the address shown at the top of this page.",
    "Their garden grew beans, onions and a row of very tall yellow flowers.",
    "An honest map shows not only what is known but also what is missing.",
    "The museum keeps the journal of a captain who never learned to swim.",
    "Payment is due within thirty days of the date printed on the invoice.",
    "Children gathered at the window to watch the workers paint the tower.",
    "In the evening the lamps along the quay were lit one after another.",
    "The witness remembered a blue coat, a brown dog and the sound of a bell.",
    "Good paper lasts for centuries if it is kept dry, dark and cool.",
    "The second volume describes the trade in salt, wool and copper.",
    "With patience and plenty of water, even this hard clay can be shaped.",
)


def prose(seed: int, characters: int) -> str:
    """Return sentences chosen by the seed, at least so many characters, the same every time."""
    chosen: list[str] = []
    draw = random.Random(seed)
    while sum(map(len, chosen)) + len(chosen) <= characters:
        chosen.append(draw.choice(SENTENCES))
    return " ".join(chosen)


def paragraphs(seed: int, count: int, characters: int = 420) -> list[str]:
    """Return so many paragraphs of about so many characters each."""
    return [prose(seed * 1000 + index, characters) for index in range(count)]
