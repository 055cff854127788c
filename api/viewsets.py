"""The bases of every resource: what all of them do alike. api/__init__.py shows how one is written."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models, transaction
from django.http import Http404
from django.utils.cache import patch_vary_headers
from rest_framework import status, viewsets
from rest_framework.exceptions import NotFound, ParseError, ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from api import dry_run, etags, history, idempotency
from api.credentials import by_what, credential_of
from api.filters import refuse_unknown
from api.limits import DEFAULT
from api.permissions import require_right, rights_of_action
from api.throttles import Verdict, check_address, rate_headers

Row = TypeVar("Row", bound=models.Model)
#: Actions that the history needs no word of its own for.
EDITS = ("create", "update", "partial_update", "destroy")


class BaseViewSet(viewsets.GenericViewSet[Any]):
    """Who may, how often, and how a request is answered; for resources that are no rows as well."""

    #: The resource of the scopes; "": no scope is needed, whoever has a token may.
    resource: str = ""
    #: Action → resource, where one of them needs the scope of another resource.
    action_resources: Mapping[str, str] = {}
    #: Action → Django's permissions; one that is not named needs view, add, change or delete of the model.
    action_rights: Mapping[str, Sequence[str]] = {}
    #: Where a row's domain is (`domain__host`); None: in no domain; "": this class looks itself.
    domain_path: str | None = None
    #: Actions that do no harm twice and have transactions of their own: an Idempotency-Key is not needed.
    repeatable: Collection[str] = ()
    #: Actions that ask somebody outside: they are in no transaction, with an Idempotency-Key neither.
    asks_others: Collection[str] = ()
    #: Bytes that a body may have.
    body_limit: int = DEFAULT
    #: Fields of the representation that change with no edit of it: If-Match does not look at them.
    unversioned: Collection[str] = ()
    #: A representation, for the OpenAPI document. By action where they differ: {"create": {…}}.
    example: Mapping[str, Any] = {}
    examples: Mapping[str, Any] = {}
    #: The default order of a list; the primary key comes last by itself.
    ordering: Sequence[str] = ("pk",)
    ordering_fields: Sequence[str] = ()
    queryset: Any = None
    lookup_value_regex = "[^/]+"
    metadata_class = None
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    verdict: Verdict | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.verdict = check_address(request)
        refuse_nul(request)
        super().initial(request, *args, **kwargs)
        if request.method not in SAFE_METHODS:
            refuse_unknown(request, {dry_run.PARAMETER})
            self._record(request)
            if request.method == "POST" and idempotency.HEADER in request.headers:
                idempotency.key_of(request)  # it is looked at, also where it is not used
                if not dry_run.is_wanted(request) and self.action not in self.repeatable:
                    handler: Any = self.post  # type: ignore[has-type]
                    self.post = partial(idempotency.once, handler, self.action in self.asks_others)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        for name, value in rate_headers(self.verdict).items() if self.verdict else ():
            response[name] = value
        response.headers.setdefault("Cache-Control", "private, no-cache")
        patch_vary_headers(response, ["Authorization", "Cookie"])
        return response

    def get_queryset(self) -> Any:
        """The rows that this request may see. Call it where you override it: it holds the token's limits."""
        rows = super().get_queryset()
        credential = credential_of(self.request)
        if credential and credential.hosts and self.domain_path:
            return rows.filter(**{f"{self.domain_path}__in": credential.hosts})
        return rows

    def get_object(self) -> Any:
        """The row of this address. Raises `NotFound`."""
        row = self.get_queryset().filter(**self.lookup()).first()
        if row is None:
            raise NotFound(f"There is no {self.what()} “{self.kwargs[self.lookup_name()]}”.")
        self.check_object_permissions(self.request, row)
        history.acted_on(row)
        return row

    def lookup_name(self) -> str:
        return self.lookup_url_kwarg or self.lookup_field

    def lookup(self) -> dict[str, Any]:
        """The filter that this address is."""
        field, value = self.lookup_field, self.kwargs[self.lookup_name()]
        meta = self.get_queryset().model._meta
        if "__" not in field:
            column = meta.pk if field == "pk" else meta.get_field(field)
            try:
                value = column.to_python(value)
            except DjangoValidationError as error:  # what could not be stored is not there
                raise Http404 from error
        return {field: value}

    def what(self) -> str:
        """What a row is called."""
        return str(self.get_queryset().model._meta.verbose_name)

    def _record(self, request: Request) -> None:
        """Have the history of what the request changes written, as its user's."""
        name = str(request.method).lower()
        handler = getattr(self, name, None)
        act = self.action.replace("_", " ") if self.detail and self.action not in EDITS else ""

        def recorded(request: Request, *args: Any, **kwargs: Any) -> Response:
            with history.recording(user=request.user, by=by_what(request), act=act):
                response: Response = handler(request, *args, **kwargs)  # type: ignore[misc]
                if response.status_code < 400 and not dry_run.is_wanted(request):
                    history.write()  # what was done in no transaction
                return response

        if handler is not None:
            setattr(self, name, recorded)

    # -- answers

    def represent(self, row: Any) -> dict[str, Any]:
        """The representation of a row as it is stored now."""
        fresh = self.get_queryset().filter(pk=row.pk).first() or row
        return dict(self.get_serializer(fresh).data)

    def etag(self, data: Mapping[str, Any]) -> str:
        return etags.etag_of(self.versioned(data), data)

    def versioned(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What of a representation changes by edits alone."""
        return {name: value for name, value in data.items() if name not in self.unversioned}

    def address_of(self, row: Any) -> str:
        """Where a row is found: for Location."""
        value: Any = row
        for name in self.lookup_field.split("__"):
            value = getattr(value, name)
        return str(self.reverse_action("detail", args=[value])).removeprefix(
            self.request.build_absolute_uri("/")[:-1]
        )

    # -- changes

    @contextmanager
    def changing(self) -> Iterator[Any]:
        """The row of this address, locked until the change is done, its preconditions held (If-Match)."""
        with transaction.atomic():
            row = self.locked()
            yield row

    def locked(self) -> Any:
        """The row of this address, locked; inside a transaction. Raises `NotFound`, `PreconditionFailed`."""
        model = self.get_queryset().model
        # By itself: PostgreSQL locks no outer joins. What is read below is what is there under the lock.
        model._default_manager.select_for_update().filter(**self.lookup()).order_by().values("pk").first()
        row = self.get_object()
        self.check_preconditions(row)
        return row

    def check_preconditions(self, row: Any) -> None:
        """Raise `PreconditionFailed` where If-Match or If-None-Match does not hold for a row, or for none."""
        headers = self.request.headers
        if "If-Match" in headers or "If-None-Match" in headers:
            etags.check_match(headers, self.etag(self.represent(row)) if row is not None else None)

    def carry_out(self, change: Callable[[], Any], code: int = status.HTTP_200_OK) -> Response:
        """Do a change in one transaction, and answer it; `?dry_run=true` rolls it back and tells all of it.

        `change` gets nothing and returns the row (None: it is gone: 204), or a pair of it and the status.
        """

        def answer(done: Any) -> Response:
            return self.answer(*(done if isinstance(done, tuple) else (done, code)))

        return dry_run.answered(self.request, change, answer)

    def answer(self, row: Any, code: int = status.HTTP_200_OK) -> Response:
        """The representation of a row, with its ETag, and its address where it is new."""
        if row is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        data = self.represent(row)
        response = Response(data, code, headers={"ETag": self.etag(data)})
        if code == status.HTTP_201_CREATED:
            response["Location"] = self.address_of(row)
        return response


class ReadMixin:
    """GET of the list and of one."""

    def list(self: Any, request: Request) -> Response:
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)

    def retrieve(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        refuse_unknown(request, set())
        return self.shown(dict(self.get_serializer(self.get_object()).data))

    def shown(self: Any, data: dict[str, Any]) -> Response:
        """The answer to a GET of one: its representation, or that it is known already."""
        etag = self.etag(data)
        headers = {"ETag": etag}
        if etags.is_known(self.request.headers, etag):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers=headers)
        return Response(data, headers=headers)


class CreateMixin:
    """POST to the list."""

    def create(self: Any, request: Request) -> Response:
        def change() -> Any:
            serializer = self.get_serializer(data=request.data)
            serializer.is_valid(raise_exception=True)
            return self.perform_create(serializer)

        return self.carry_out(change, status.HTTP_201_CREATED)

    def perform_create(self, serializer: Any) -> Any:
        """Save, and return the row."""
        return serializer.save()


class UpdateMixin:
    """PUT (all of it) and PATCH (RFC 7396 for flat documents: what is named) of one."""

    #: Whether a PUT to a name that is not there makes it.
    put_creates = False

    def update(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.carry_out(lambda: self._put(request))

    def partial_update(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        def change() -> Any:
            serializer = self.get_serializer(self.locked(), data=request.data, partial=True)
            serializer.is_valid(raise_exception=True)
            return self.perform_update(serializer)

        return self.carry_out(change)

    def perform_update(self, serializer: Any) -> Any:
        """Save, and return the row."""
        return serializer.save()

    def _put(self: Any, request: Request) -> Any:
        if not isinstance(request.data, dict):
            raise ValidationError(["Send an object."])
        document = dict(request.data)
        try:
            row = self.locked()
        except NotFound:
            if not self.put_creates:
                raise
            return self._put_new(request, document)
        if self.put_creates:
            document = {self.lookup_field: self.kwargs[self.lookup_name()], **document}
        serializer = self.get_serializer(row, data=document)
        serializer.is_valid(raise_exception=True)
        return self.perform_update(serializer)

    def _put_new(self: Any, request: Request, document: dict[str, Any]) -> Any:
        for right in rights_of_action(self, "create", safe=False):
            require_right(request, right)
        self.check_preconditions(None)
        name, value = self.lookup_field, self.kwargs[self.lookup_name()]
        if document.setdefault(name, value) != value:
            raise ValidationError({name: [f"The address says “{value}”."]})
        serializer = self.get_serializer(data=document)
        serializer.is_valid(raise_exception=True)
        return self.perform_create(serializer), status.HTTP_201_CREATED


class DeleteMixin:
    """DELETE of one."""

    def destroy(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        def change() -> None:
            self.perform_destroy(self.locked())

        return self.carry_out(change)

    def perform_destroy(self, row: Any) -> None:
        row.delete()


class ReadViewSet(ReadMixin, BaseViewSet):
    """A resource that is only read."""


class ResourceViewSet(ReadMixin, CreateMixin, UpdateMixin, DeleteMixin, BaseViewSet):
    """A resource with everything."""


def refuse_nul(request: Request) -> None:
    """Raise where the address has a NUL character, which no database stores. `ParseError`, `NotFound`."""
    if "\0" in request.path_info:
        raise NotFound()
    if any(
        "\0" in text for name in request.query_params for text in (name, *request.query_params.getlist(name))
    ):
        raise ParseError("The query has a NUL character.")
