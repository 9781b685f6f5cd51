"""Documents from other projects, sent through the whole stack, end as their list says."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from docmill.testing.scoring import error_rate
from tests.stack.flow import Inspector
from tests.stack.samples import ERROR_RATE, IN_FRENCH, Sent, listed

pytestmark = pytest.mark.slow

# name, gold text, largest error rate of a page
GOLD: Final = (
    ("linn.png", "linn.txt", 0.02),
    ("skew.pdf", "linn.txt", 0.02),
    ("cardinal.pdf", "linn.txt", 0.02),
    ("phototest.tif", "phototest.gold.txt", 0.01),
    ("phototest-rotated-180.png", "phototest.gold.txt", 0.02),
)
PRINTED: Final = (
    ("3small.pdf", "Covfefe is a perfectly cromulent word."),
    ("acroform.pdf", "Covfefe is a perfectly cromulent word."),
    ("baiona_alpha.png", "Komunikabideak"),
    ("born-digital-multicolumn.pdf", "Lorem ipsum dolor sit amet"),
    ("c02-22.pdf", "tip-toeing along a path amongst"),
    ("multipage.pdf", "with a plain face, on the throne of England"),
    ("truetype_font_nomapping.pdf", "Phone"),
)
EMPTY: Final = ("blank.pdf", "no_contents.pdf", "no-text.tiff")
REJECTED: Final = (("encrypted.pdf", "encrypted_pdf"), ("invalid.pdf", "corrupt_file"))
OTHERS: Final = ("aspect.pdf", "francais.pdf")
ACCENTS: Final = "à côté de l'alcôve"


def test_every_sample_is_tested_here(samples: Path) -> None:
    tested = {name for name, *_ in (*GOLD, *PRINTED, *REJECTED)} | {*EMPTY, *OTHERS}
    assert tested == listed(samples)


@pytest.mark.parametrize(("name", "gold", "limit"), GOLD)
def test_every_page_is_read_as_its_gold_text(
    sent: Sent,
    samples: Path,
    name: str,
    gold: str,
    limit: float,
    record_property: Callable[[str, object], None],
) -> None:
    wanted = (samples / gold).read_text()
    rates = [error_rate(text, wanted) for text in sent.page_texts(name)]
    record_property(ERROR_RATE, f"{name}: {', '.join(f'{rate:.4f}' for rate in rates)}")
    assert len(rates) == (4 if name == "cardinal.pdf" else 1)
    assert max(rates) <= limit


@pytest.mark.parametrize(("name", "found"), PRINTED)
def test_what_is_printed_is_found(sent: Sent, name: str, found: str) -> None:
    assert found in sent.text(name)


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_is_read_where_nothing_is_printed(sent: Sent, name: str) -> None:
    assert sent.text(name) == ""


@pytest.mark.parametrize(("name", "code"), REJECTED)
def test_what_cannot_be_read_is_rejected_with_its_reason(sent: Sent, name: str, code: str) -> None:
    document = sent.ended(name)
    assert (document["state"], document["failure"]["code"]) == ("rejected", code)
    assert document["failure"]["remedy"]


def test_a_french_page_keeps_its_accents_only_when_read_as_french(sent: Sent) -> None:
    assert ACCENTS in sent.text(IN_FRENCH)
    assert "à côté" not in sent.text("francais.pdf")


def test_unequal_resolutions_keep_the_proportions(sent: Sent) -> None:
    page = sent.client.part(sent.ready("aspect.pdf"), "pages/1").json()
    assert (page["width"], page["height"], page["unit"]) == (360, 288, "pt")


def test_text_that_is_there_is_taken_and_nothing_recognised(sent: Sent, inspect: Inspector) -> None:
    document = sent.ready("born-digital-multicolumn.pdf")
    assert {page["source"] for page in sent.client.items(document, "pages")} == {"text"}
    recognised = (
        f"SELECT count(*) FROM task WHERE document_id = '{document}' AND stage = 'recognise'"
    )
    assert inspect.count(recognised) == 0


def test_a_garbage_text_layer_is_not_believed(sent: Sent) -> None:
    pages = sent.client.items(sent.ready("truetype_font_nomapping.pdf"), "pages")
    assert [(page["source"], page["reason"]) for page in pages] == [
        ("recognise", "garbage_text_layer")
    ]


def test_every_page_of_a_long_scan_is_read(sent: Sent) -> None:
    texts = sent.page_texts("multipage.pdf")
    assert len(texts) == 6
    assert [text for text in texts if not text.strip()] == []


def test_the_history_of_each_has_no_gap_and_ends_with_its_state(sent: Sent) -> None:
    for name in sent.documents:
        state = sent.ended(name)["state"]
        events = sent.client.items(sent.documents[name], "events")
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert [event["kind"] for event in events if event["kind"] == state] == [state]
