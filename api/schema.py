"""How the OpenAPI document says what every resource does alike (drf-spectacular)."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance
from rest_framework.permissions import SAFE_METHODS

from api.etags import CONDITION
from api.idempotency import KEY
from api.links import add_links
from api.permissions import rights_for, scope_for
from api.problems import MEDIA_TYPE, PROBLEMS, TYPES_AT
from api.scopes import RESOURCES
from api.serializers import StrictMixin

KEY_OR_QUOTED = f'^({KEY.pattern}|"{KEY.pattern}")$'
TAGS = f"^({CONDITION.pattern})$"
PROBLEM = {"$ref": "#/components/schemas/Problem"}
REHEARSAL = {"$ref": "#/components/schemas/DryRun"}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "cirrus_…"}


class Schema(AutoSchema):
    """Adds to an operation its scope and rights, its problems, its headers and its example."""

    view: Any

    def get_tags(self) -> list[str]:
        return [getattr(self.view, "resource", "") or "general"]

    def get_description(self) -> str:  # type: ignore[override]
        text = super().get_description() or ""
        if not hasattr(self.view, "action_rights"):
            return text
        scope = scope_for(self.view.request, self.view)
        needs = [f"the scope `{scope}`"] if scope else []
        needs += [f"the right `{right}`" for right in rights_for(self.view.request, self.view)]
        return f"{text}\n\nNeeds {' and '.join(needs)}.".strip() if needs else text

    def get_operation(self, path: str, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(path, *args, **kwargs)
        if operation and hasattr(self.view, "action_rights"):
            self._add_parameters(operation)
            self._add_problems(operation)
            self._add_headers(operation)
            self._add_examples(operation)
            if any(parameter["name"] == "dry_run" for parameter in operation["parameters"]):
                _add_rehearsal(operation["responses"])
        return operation

    def _map_basic_serializer(self, serializer: Any, direction: str) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if direction == "request" and isinstance(force_instance(serializer), StrictMixin):  # type: ignore[no-untyped-call]
            schema["additionalProperties"] = False
        return schema

    def _postprocess_serializer_schema(self, schema: Any, serializer: Any, direction: str) -> Any:
        """What only Cirrus writes may be sent back, with any value: it counts nothing."""
        properties = schema.get("properties", {})
        ignored = [name for name, one in properties.items() if one.get("readOnly")]
        schema = super()._postprocess_serializer_schema(schema, serializer, direction)  # type: ignore[no-untyped-call]
        if direction == "request" and schema.get("additionalProperties") is False:
            schema.setdefault("properties", {}).update({name: {"readOnly": True} for name in ignored})
        return schema

    @property
    def _action(self) -> str:
        return getattr(self.view, "action", "") or ""

    def _holds_if_match(self) -> bool:
        """Whether it changes the one thing of its address, whose ETag was read there."""
        return bool(getattr(self.view, "detail", False)) and self.method not in SAFE_METHODS

    def _add_parameters(self, operation: dict[str, Any]) -> None:
        parameters = operation.setdefault("parameters", [])
        detail = "{" in self.path
        if self.method == "POST":
            key = _header("Idempotency-Key", "A key of yours; the same request again is then done once.")
            key["schema"] |= {"minLength": 1, "maxLength": 257, "pattern": KEY_OR_QUOTED}
            parameters.append(key)
        if self._holds_if_match():
            parameters.append(_condition("If-Match", "The ETag that must be there; `*`: any.", "*"))
        if detail and self._action in ("retrieve", "update"):
            known = '"33a64df551425fcc55e4d42a148795d9"'
            parameters.append(_condition("If-None-Match", "An ETag that must not be there, or `*`.", known))
        if self._action in ("create", "update", "partial_update", "destroy") or (
            getattr(self.view, "rehearsed", None) and self._action in self.view.rehearsed
        ):
            parameters.append(
                {
                    "name": "dry_run",
                    "in": "query",
                    "description": "Do nothing, and answer 200 with what would happen.",
                    "schema": {"type": "boolean", "default": False},
                }
            )

    def _add_problems(self, operation: dict[str, Any]) -> None:
        for code in sorted(self._problem_codes()):
            answer = {"$ref": f"#/components/responses/Problem{code}"}
            operation["responses"].setdefault(str(code), answer)

    def _problem_codes(self) -> set[int]:
        codes = {400, 401, 403, 404, 406, 429, 503}
        if self.method not in SAFE_METHODS:
            codes |= {409, 413, 415}
        elif self._action not in ("list", "retrieve"):
            codes |= {409}  # what is asked for is made of what is there now
        if self.method == "POST":
            codes |= {422}
        if self._holds_if_match():
            codes |= {412}
        return codes

    def _add_headers(self, operation: dict[str, Any]) -> None:
        for code, answer in operation["responses"].items():
            if code in ("200", "201") and self._action in ("retrieve", "create", "update", "partial_update"):
                answer.setdefault("headers", {})["ETag"] = {"schema": {"type": "string"}}
            if code == "201":
                answer.setdefault("headers", {})["Location"] = {"schema": {"type": "string"}}
        if self._action == "retrieve":
            operation["responses"]["304"] = {"description": "It is what If-None-Match names."}
        if self._action == "update" and getattr(self.view, "put_creates", False):
            made = {**operation["responses"].get("200", {}), "description": "It was not there, and was made."}
            operation["responses"]["201"] = made

    def _add_examples(self, operation: dict[str, Any]) -> None:
        example = self.view.examples.get(self._action, {}) or _worked(self.view.example, self._action)
        if not self.view.examples.get(self._action) and "request" in example:
            example["request"] = self._writable(example["request"])
        for place, body in (("request", operation.get("requestBody")), ("response", _success(operation))):
            if body and place in example:
                for media in body.get("content", {}).values():
                    media["examples"] = {"example": {"value": example[place]}}
                    if place == "response" and "rehearsal" in example:
                        media["examples"]["dry_run"] = {"value": example["rehearsal"]}

        if "accepted" in example:
            for media in operation["responses"]["202"]["content"].values():
                media["examples"] = {"example": {"value": example["accepted"]}}

    def _writable(self, representation: dict[str, Any]) -> dict[str, Any]:
        """What of a representation is sent, and not only received."""
        fields = getattr(self.view.get_serializer(), "fields", {})
        return {
            name: value
            for name, value in representation.items()
            if name not in fields or not fields[name].read_only
        }


def _add_rehearsal(responses: dict[str, Any]) -> None:
    """A dry run is answered with 200, whatever the change itself would be answered with."""
    made = responses.get("200", {}).get("content", {}).get("application/json")
    if made is None:
        body = {"schema": REHEARSAL}
        responses["200"] = {"description": "A dry run.", "content": {"application/json": body}}
    else:
        made["schema"] = {"anyOf": [made["schema"], REHEARSAL]}


def _worked(representation: Any, action: str) -> dict[str, Any]:
    """The example of a standard action, from the one of the representation."""
    if not representation:
        return {}
    if action == "list":
        return {"response": {"results": [representation], "next": None}}
    return {"request": representation, "response": representation}


def _success(operation: dict[str, Any]) -> dict[str, Any] | None:
    for code in ("200", "201", "202"):
        if code in operation["responses"]:
            found: dict[str, Any] = operation["responses"][code]
            return found
    return None


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _condition(name: str, description: str, example: str) -> dict[str, Any]:
    """A header that names ETags (RFC 9110 section 13.1)."""
    header = _header(name, description)
    header["schema"]["pattern"] = TAGS
    return {**header, "example": example}


def _problem(code: int) -> dict[str, Any]:
    """The answer with this status, for all operations."""
    titles = [problem.title for problem in PROBLEMS.values() if problem.status == code]
    answer: dict[str, Any] = {
        "description": "; ".join(titles),
        "content": {MEDIA_TYPE: {"schema": PROBLEM}},
    }
    if code in (429, 503):
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
    return answer


def finish(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """What belongs to the document and to no operation."""
    text = {"type": "string"}
    result["components"].setdefault("schemas", {})["Problem"] = {
        "type": "object",
        "description": "RFC 9457. `field` is a JSON pointer into what was sent, or `?name` for the query.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {**text, "enum": [TYPES_AT + kind for kind in PROBLEMS]},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "instance": text,
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["field", "reason"],
                    "properties": {"field": text, "reason": text},
                },
            },
        },
    }
    codes = sorted({problem.status for problem in PROBLEMS.values()} - {500})
    result["components"]["responses"] = {f"Problem{code}": _problem(code) for code in codes}
    result["components"]["schemas"]["DryRun"] = {
        "type": "object",
        "description": "What a change would do; nothing was done.",
        "required": ["dry_run", "status", "result", "changes"],
        "properties": {
            "dry_run": {"type": "boolean", "const": True},
            "status": {"type": "integer", "description": "What the change would be answered with."},
            "result": {"description": "The representation afterwards; null where it would be gone."},
            "changes": {"type": "object", "description": "Documents of edges and names of zones."},
        },
    }
    schemes = result["components"]["securitySchemes"]
    schemes["token"]["description"] = "A token of this API: `cirrus_…`."
    schemes["cookieAuth"]["description"] = "A session of the portal: log in there; nothing is entered here."
    add_links(result["paths"])
    result["tags"] = [{"name": name, "description": covers} for name, covers in RESOURCES.items()]
    return result
