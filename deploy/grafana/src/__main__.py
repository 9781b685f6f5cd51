"""Writes deploy/grafana/dashboards/*.json."""

from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.src import ocr, overview, pipeline, resources, stores
from deploy.grafana.src.term import FOLDER

BOARDS: Final = (overview, pipeline, ocr, stores, resources)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for board in BOARDS:
        text = JSONEncoder(sort_keys=True, indent=2).encode(board.dashboard().build())
        file = FOLDER / f"{board.__name__.rpartition('.')[2]}.json"
        file.write_text(text + "\n")


if __name__ == "__main__":
    main()
