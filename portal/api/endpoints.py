"""The HTTP API for other systems, version 1. docs/api.md describes it for their programmers."""

from typing import Annotated

from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from ninja import Header, NinjaAPI, Query
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.responses import Status
from ninja.security import HttpBearer

from portal import limits
from portal.security_log import note

from . import figures, outcomes
from .models import ApiToken
from .problems import CONTENT_TYPE, problem
from .schemas import FigureAnswer, OutcomeAnswer, Problem, RecordedSession, SentSession
from .sessions import Key, KeyUsed, NotRecorded, record_sent
from .tokens import find_token, note_use

Scope = ApiToken.Scope
PREFIX = "/api/v1/"
IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", min_length=8, max_length=200)]


class Bearer(HttpBearer):
    """Authentication with the header "Authorization: Bearer TOKEN". A browser's cookies have no effect."""

    def authenticate(self, request, token):
        found = find_token(token)
        if found is None:
            limits.count(request, "api_wrong_token", names_nobody=True)
            note(request, "refused", what="api_token")
            return None
        limits.count(request, "api", target=str(found.pk), names_nobody=True)
        note_use(found, today=request.library.today())
        return found


class Api(NinjaAPI):
    """A NinjaAPI whose OpenAPI description says that errors are problem details, and not plain JSON."""

    def get_openapi_schema(self, *args, **kwargs):
        schema = super().get_openapi_schema(*args, **kwargs)
        for methods in schema["paths"].values():
            for operation in methods.values():
                for status, response in operation["responses"].items():
                    if status >= 400:
                        response["content"] = {CONTENT_TYPE: response["content"]["application/json"]}
        return schema


api = Api(
    title="Afterword",
    version="1",
    description="Record help sessions and read figures. Every error is problem details (RFC 9457).",
    auth=Bearer(),
    openapi_url=None,
)
ERRORS = dict.fromkeys((400, 401, 403, 413, 422, 429, 503), Problem)


@api.post(
    "/help-sessions",
    response={201: RecordedSession, 200: RecordedSession, 409: Problem, **ERRORS},
    summary="Record a help session",
)
def record_help_session(request: HttpRequest, sent: SentSession, idempotency_key: IdempotencyKey):
    """Record a help session with the items that were recommended.

    Send the header Idempotency-Key with a value that you use for no other session. If you send the same
    request again within a day, you get the same answer with the status 200, and nothing is recorded twice.
    """
    token = _token(request, Scope.RECORD)
    key = Key(idempotency_key, request.body)
    public_id, is_new = record_sent(sent, token=token, key=key, at=timezone.now())
    return Status(201 if is_new else 200, {"id": public_id})


@api.get("/figures", response={200: FigureAnswer, **ERRORS}, summary="Read how much work the desk had")
def read_figures(request: HttpRequest, asked: Query[figures.Asked]):
    """Return the numbers of contacts in a period, by a breakdown. The Figures page shows the same numbers."""
    return figures.answer(asked, token=_token(request, Scope.FIGURES))


@api.get("/outcomes", response={200: OutcomeAnswer, **ERRORS}, summary="Read how help turned out")
def read_outcomes(request: HttpRequest, asked: Query[outcomes.AskedOutcomes]):
    """Return what patrons answered about their visits in a quarter or year.

    The page “How it turned out” shows the same numbers. A quarter is counted once, 45 days after its end, and
    then never changes. No number is from 1 to 4.
    """
    return outcomes.answer(asked, token=_token(request, Scope.OUTCOMES))


def _token(request, scope):
    """Return the ApiToken of the request. Raises HttpError if the token lacks the scope `scope`."""
    if scope not in request.auth.scopes:
        raise HttpError(
            403, f"This token doesn't allow this. Ask a coordinator for a token with the scope {scope}."
        )
    return request.auth


@require_safe
def api_description(request):
    """Return the OpenAPI description. Anybody can read it, because it says nothing about the library."""
    return JsonResponse(api.get_openapi_schema(path_prefix=PREFIX))


def urls():
    """Return the URL patterns of the operations, without the page that django-ninja adds at the root."""
    return [pattern for pattern in api.urls[0] if getattr(pattern, "name", "") != "api-root"]


@api.exception_handler(AuthenticationError)
def _without_token(request, error):
    response = problem(
        401, "Send the header “Authorization: Bearer”, a space, and a token that is not revoked."
    )
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(HttpError)
def _http_error(request, error):
    return problem(error.status_code, error.message)


@api.exception_handler(ValidationError)
def _invalid(request, error):
    errors = [{"field": _path(*each["loc"]), "detail": each["msg"]} for each in error.errors]
    return problem(422, "The request isn't valid. Nothing was saved.", errors=errors)


def _path(place, *parts):
    """Return the path of a field, such as "items.0.reason".

    `place` is the part of the request with the error, such as "body" or "query". `parts` are the names and
    indexes that lead to the field. In the body, the first of them is the name of the view's argument, so it
    is left out.
    """
    return ".".join(str(part) for part in parts[place == "body" :]) or place


@api.exception_handler(NotRecorded)
def _not_recorded(request, error):
    return problem(422, "The session can't be recorded. Nothing was saved.", errors=error.errors)


@api.exception_handler(figures.NoFigure)
def _no_figure(request, error):
    return problem(422, "There is no such figure.", errors=error.errors)


@api.exception_handler(KeyUsed)
def _key_used(request, error):
    return problem(409, "You used this Idempotency-Key for another body. Nothing was saved. Use a new key.")


@api.exception_handler(limits.TooOften)
def _too_often(request, error):
    response = problem(429, "This token was used too often. Wait as long as the header Retry-After says.")
    response.headers["Retry-After"] = str(error.seconds)
    return response
