from importlib import import_module
from pathlib import Path

import pytest

from docmill.domain.task import Pool, Stage
from docmill.ops.settings import BadSettings
from docmill_ocr import tessdata
from docmill_ocr.engines import UnknownEngine, chosen, second
from docmill_ocr.main import trade
from docmill_ocr.rapidocr_engine import RapidocrEngine
from docmill_ocr.settings import OcrSettings

ADDRESSES = {
    "DOCMILL_DATABASE_URL": "postgresql://nobody@localhost/none",
    "DOCMILL_RABBITMQ_URL": "amqp://localhost/",
    "DOCMILL_S3_ENDPOINT": "http://localhost",
    "DOCMILL_S3_ACCESS_KEY": "a",
    "DOCMILL_S3_SECRET_KEY": "b",
}


def settings(**changes: str) -> OcrSettings:
    return OcrSettings.from_env(ADDRESSES | changes)


def test_every_stage_of_a_pool_has_work_in_its_service() -> None:
    services = {
        Pool.VALIDATOR: "docmill_validator",
        Pool.OCR: "docmill_ocr",
        Pool.THUMBNAILER: "docmill_thumbnailer",
    }
    for pool, service in services.items():
        works = import_module(f"{service}.stages").STAGES
        assert set(works) == {stage for stage in Stage if stage.pool is pool}


def test_the_child_is_told_the_engine_and_may_read_its_models() -> None:
    made = trade(settings())
    assert made.settings["DOCMILL_OCR_ENGINE"] == "tesserocr"
    assert made.readable == [Path(made.settings["DOCMILL_TESSDATA"])]
    assert "eng" in made.languages
    assert not any("secret" in name.lower() for name in made.settings)


@pytest.mark.parametrize(("engine", "starts"), [("tesserocr", False), ("pytesseract", True)])
def test_only_the_engine_that_starts_a_program_may(engine: str, starts: bool) -> None:
    assert trade(settings(DOCMILL_OCR_ENGINE=engine)).may_exec is starts


def test_the_models_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "tlh.traineddata").touch()
    made = trade(settings(DOCMILL_TESSDATA=str(tmp_path)))
    assert (made.readable, list(made.languages)) == ([tmp_path], ["tlh"])
    (tmp_path / "osd.traineddata").touch()  # with which scripts can be told
    made = trade(settings(DOCMILL_TESSDATA=str(tmp_path)))
    assert list(made.languages) == ["auto", "tlh"]


@pytest.mark.parametrize("engine", ["tesserocr", "pytesseract"])
def test_an_engine_is_chosen_by_its_name(engine: str) -> None:
    made = chosen({"DOCMILL_OCR_ENGINE": engine, "DOCMILL_TESSDATA": str(tessdata.find())})
    assert type(made).__name__.lower() == f"{engine}engine"


def test_an_engine_that_there_is_not_is_named() -> None:
    with pytest.raises(UnknownEngine, match="abbyy"):
        chosen({"DOCMILL_OCR_ENGINE": "abbyy"})


def test_a_second_engine_is_used_only_where_it_is_named() -> None:
    assert second({"DOCMILL_OCR_SECOND_ENGINE": ""}) is None
    named = trade(settings(DOCMILL_OCR_SECOND_ENGINE="rapidocr")).settings
    assert isinstance(second(named), RapidocrEngine)
    with pytest.raises(UnknownEngine, match="tesserocr"):
        second({"DOCMILL_OCR_SECOND_ENGINE": "tesserocr"})


def test_a_second_engine_needs_room() -> None:
    with pytest.raises(BadSettings, match="DOCMILL_CHILD_MEMORY_MB"):
        settings(DOCMILL_OCR_SECOND_ENGINE="rapidocr", DOCMILL_CHILD_MEMORY_MB="512")
