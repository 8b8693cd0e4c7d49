"""``/api/openapi.json``: the JSON API as OpenAPI 3.1, made from the routes themselves and the models of their requests and answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from inspect import cleandoc
from typing import Any, Literal, NamedTuple, TypeVar

from flask import Blueprint, Flask, Response, current_app, jsonify
from pydantic import BaseModel, TypeAdapter
from werkzeug.routing import Rule

from api.errors import speak_json

View = TypeVar("View", bound=Callable[..., Any])
Mode = Literal["validation", "serialization"]
REFERENCE = "#/components/schemas/{model}"
ALWAYS_POSSIBLE = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE)
WITHOUT_TOKEN = frozenset({"openapi.description"})

blueprint = Blueprint("openapi", __name__, url_prefix="/api")
speak_json(blueprint)


class Problem(BaseModel):
    """One thing that is wrong with a request."""

    field: str
    message: str


class ErrorAnswer(BaseModel, extra="allow"):
    """Every refusal: a sentence for people, a code for programs, and with 422 every problem by its field."""

    error: str
    code: str
    problems: list[Problem] | None = None


class Parameter(NamedTuple):
    """A query parameter or a header."""

    name: str
    place: Literal["query", "header"]
    description: str
    schema: Mapping[str, Any] = {"type": "string"}


@dataclass(frozen=True)
class Operation:
    """What a route takes and gives beside what its rule and its docstring say; ``examples`` are requests that it takes."""

    takes: Any = None
    gives: Mapping[int, Any] = field(default_factory=dict)
    refuses: Sequence[int] = ()
    parameters: Sequence[Parameter] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)

    def models(self) -> Iterator[tuple[Any, Mode]]:
        if self.takes is not None:
            yield self.takes, "validation"
        yield from ((model, "serialization") for model in self.gives.values() if model is not None)


_operations: dict[str, Operation] = {}


def documented(operation: Operation) -> Callable[[View], View]:
    """Say what a route takes and gives: models, ``TypeAdapter``s, or None for an answer that is not JSON."""

    def register(view: View) -> View:
        _operations[f"{view.__module__}.{view.__qualname__}"] = operation
        return view

    return register


@blueprint.get("/openapi.json")
def description() -> Response:
    """200 with this description."""
    return jsonify(describe(current_app))


def describe(app: Flask) -> dict[str, Any]:
    """The description of every route of ``app`` under ``/api``; one that nobody documented is described by its docstring alone."""
    routes = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")]
    operations = {rule.endpoint: _operation_of(app, rule) for rule in routes}
    models = [model for operation in operations.values() for model in operation.models()]
    schemas, components = _schemas([*models, (ErrorAnswer, "serialization")])
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(routes, key=lambda rule: rule.rule):
        path = paths.setdefault(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), {})
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            path[method.lower()] = _described(app, rule, method, operations[rule.endpoint], schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Redrive", "version": version("redrive"), "description": "No purchase email and no webhook is ever lost."},
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation_of(app: Flask, rule: Rule) -> Operation:
    view = app.view_functions[rule.endpoint]
    return _operations.get(f"{view.__module__}.{view.__qualname__}", Operation(gives={200: None}))


def _schemas(models: Sequence[tuple[Any, Mode]]) -> tuple[dict[tuple[int, Mode], Any], dict[str, Any]]:
    inputs = [(id(model), mode, model if isinstance(model, TypeAdapter) else TypeAdapter(model)) for model, mode in models]
    schemas, shared = TypeAdapter.json_schemas(inputs, ref_template=REFERENCE)
    return dict(schemas), shared.get("$defs", {})


def _described(app: Flask, rule: Rule, method: str, operation: Operation, schemas: Mapping[tuple[int, Mode], Any]) -> dict[str, Any]:
    public = rule.endpoint in WITHOUT_TOKEN
    refusals = set() if public else {*ALWAYS_POSSIBLE, *operation.refuses}
    if rule.arguments:
        refusals.add(HTTPStatus.NOT_FOUND)
    error = schemas[id(ErrorAnswer), "serialization"]
    answers = {str(status): _answer(status, model and schemas[id(model), "serialization"]) for status, model in operation.gives.items()}
    answers |= {str(int(status)): _answer(status, error) for status in sorted(refusals)}
    described = {
        "operationId": f"{rule.endpoint.replace('.', '_')}_{method.lower()}",
        "tags": [rule.endpoint.partition(".")[0]],
        "summary": rule.endpoint.rpartition(".")[2].replace("_", " "),
        "description": cleandoc(app.view_functions[rule.endpoint].__doc__ or ""),
        "parameters": [*_path_parameters(rule), *(_parameter(each) for each in operation.parameters)],
        "responses": answers,
    }
    if operation.takes is not None:
        content = {"schema": schemas[id(operation.takes), "validation"]}
        if operation.examples:
            content["examples"] = {name: {"value": example} for name, example in operation.examples.items()}
        described["requestBody"] = {"required": True, "content": {"application/json": content}}
    return described | ({"security": []} if public else {})


def _answer(status: int, schema: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    return answer | ({"content": {"application/json": {"schema": schema}}} if schema else {})


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in sorted(rule.arguments)]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {"name": parameter.name, "in": parameter.place, "description": parameter.description, "schema": dict(parameter.schema)}
