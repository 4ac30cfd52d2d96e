"""A mapping checked against its model; every fault in the project's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from yunwei.policy.base import REFUSED, Model
from yunwei.policy.problems import Problem, key_path, shown
from yunwei.policy.suggest import did_you_mean

Shape = TypeVar("Shape", bound=Model)
Place = Sequence[str | int]
_KINDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def read_model(model: type[Shape], data: Mapping[str, Any], file: str) -> tuple[Shape | None, list[Problem]]:
    """Return the model made of `data`, or None with every problem of its structure."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, [_problem(model, details, file) for details in error.errors()]


def _problem(model: type[Model], details: ErrorDetails, file: str) -> Problem:
    place = [part for part in details["loc"] if part != "[key]"]
    path, value, kind = key_path(place), details["input"], details["type"]
    if kind == "extra_forbidden":
        known = list(_model_at(model, place[:-1]).model_fields)
        return Problem(file, path, "an unknown key", ", ".join(known), did_you_mean(place[-1], known))
    allowed = _description(model, place)
    if kind == "missing":
        return Problem(file, path, "nothing", allowed)
    context = details.get("ctx", {})
    if kind == REFUSED:
        return Problem(file, path, context["found"], context["allowed"], context["hint"])
    if kind in _KINDS:
        allowed = f"{_KINDS[kind]}: {allowed}" if allowed != _KINDS[kind] else allowed
    return Problem(file, path, shown(value), allowed, _hint(kind, value, context))


def _hint(kind: str, value: object, context: Mapping[str, Any]) -> str | None:
    if kind == "literal_error":
        return did_you_mean(value, re.findall(r"'([^']*)'", str(context["expected"])))
    if kind == "string_type" and isinstance(value, int | float):
        return "Write it in quotes."
    if kind == "int_type" and isinstance(value, str) and value.strip().isdigit():
        return "Write it without quotes."
    return None


def _model_at(model: type[Model], place: Place) -> type[Model]:
    """Return the model of the mapping that `place` leads to."""
    found = _annotation(model, place)
    return found if isinstance(found, type) and issubclass(found, Model) else model


def _description(model: type[Model], place: Place) -> str:
    """Return what is allowed at `place`: the description of the nearest field on the way there."""
    for end in range(len(place), 0, -1):
        name = place[end - 1]
        fields = _model_at(model, place[: end - 1]).model_fields
        if isinstance(name, str) and name in fields:
            return fields[name].description or "another value"
    return "a mapping with the keys " + ", ".join(model.model_fields)


def _annotation(model: Any, place: Place) -> Any:
    """Return the type that a model declares for a place inside it."""
    found = model
    for part in place:
        found = _without_none(found)
        if isinstance(found, type) and issubclass(found, Model):
            field = found.model_fields.get(str(part))
            found = field.annotation if field else None
        else:
            arguments = get_args(found)
            found = arguments[-1] if get_origin(found) in (list, dict) and arguments else None
    return _without_none(found)


def _without_none(annotation: Any) -> Any:
    options = [one for one in get_args(annotation) if one is not type(None)]
    return options[0] if type(None) in get_args(annotation) and len(options) == 1 else annotation
