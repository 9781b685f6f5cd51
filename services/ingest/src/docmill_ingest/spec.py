"""What the OpenAPI document says of answers."""

from http import HTTPStatus
from typing import Any, Final

from flask_openapi3.models.security_scheme import SecurityScheme
from pydantic import BaseModel

from docmill_ingest.models import Problem
from docmill_ingest.problem import MEDIA_TYPE

SECURITY: Final[list[dict[str, list[Any]]]] = [{"key": []}]
SECURITY_SCHEMES: Final[dict[str, Any]] = {
    "key": SecurityScheme(type="http", scheme="bearer", bearerFormat="dm_<id>_<secret>")
}
PROBLEM_REF: Final = {"$ref": f"#/components/schemas/{Problem.__name__}"}

Answers = dict[str | int, type[BaseModel] | dict[Any, Any] | None]


def answers(ok: type[BaseModel] | dict[Any, Any], *problems: int, status: int = 200) -> Answers:
    """The good answer and the problems; 401 and 503 may answer anything."""
    made: Answers = {status: ok}
    for code in sorted({401, 503, *problems}):
        made[code] = {
            "description": HTTPStatus(code).phrase,
            "content": {MEDIA_TYPE: {"schema": PROBLEM_REF}},
        }
    return made


def binary(*media_types: str, description: str = "The content.") -> dict[Any, Any]:
    """A good answer that is no JSON."""
    schema = {"type": "string", "format": "binary"}
    return {
        "description": description,
        "content": {each: {"schema": schema} for each in media_types},
    }


def nothing(description: str) -> dict[Any, Any]:
    return {"description": description}
