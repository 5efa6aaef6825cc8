"""Reads start from a scope, writes go through an action, views do nothing else."""

import ast
import inspect

import pytest
from django.conf import settings

from .guards import none
from .routes import OBJECT, PUBLIC, READERS_OWN, SHARED, Route, functions_behind, routes

WRITES = {
    "save",
    "create",
    "update",
    "delete",
    "get_or_create",
    "update_or_create",
    "bulk_create",
    "bulk_update",
}
NOT_ROWS = (
    "request.session",
    "cache",
    "session",
    "response.headers",
)  # what may be written on the way to an answer
# Writing that is not ours to put elsewhere, with the reason.
WRITES_FOR_A_REASON = {
    ("accounts/views/second_factor.py", "form.save()"): "allauth's own form enrols the authenticator app"
}
STAFF_AWAY_FROM_THE_DESK = {"change_second_factor": "the key to the desk's door lies outside it"}
SCOPES = {"belonging_to", "at_desk_of"}
ROUTES = routes()
VIEW_FILES = sorted(
    path
    for app in ("accounts", "portal", "recommendations")
    for path in (settings.BASE_DIR / app).rglob("*.py")
    if "views" in path.parts or path.name == "views.py" or "desk" in path.parts
)


def writes_in(source):
    """Lines in which a view writes to the database itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
            receiver = ast.unparse(node.func.value)
            if not receiver.startswith(NOT_ROWS) and not receiver.split(".")[-1].endswith("actions"):
                found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def starts_from_a_scope(view):
    return any(SCOPES & set(function.__code__.co_names) for function in functions_behind(view))


def test_views_never_write():
    names = {str(path.relative_to(settings.BASE_DIR)): path for path in VIEW_FILES}
    none(
        [
            f"{name}:{found}"
            for name, path in names.items()
            for found in writes_in(path.read_text())
            if (name, found.partition(": ")[2]) not in WRITES_FOR_A_REASON
        ],
        "Move the write into an action (<app>/actions.py) and call that from the view.",
    )


def test_every_url_is_classified():
    none(
        [f"{route} (/{route.path})" for route in ROUTES if not is_classified(route)],
        "Add the URL to tests/architecture/routes.py and say who may open it: PUBLIC with a reason, READERS_OWN, or OBJECT"
        " with the object of the world that its address names.",
    )


def is_classified(route):
    if route.converters and route.name not in PUBLIC:
        return route.name in OBJECT
    return route.at_desk or route.name in PUBLIC or route.name in READERS_OWN


def test_a_view_that_is_given_an_id_starts_from_a_scope():
    none(
        [
            f"{route} (/{route.path})"
            for route in ROUTES
            if route.converters and not starts_from_a_scope(route.view) and route.name not in SHARED
        ],
        "Look the object up with belonging_to() or at_desk_of(). If it is nobody's, add the URL to SHARED in"
        " tests/architecture/routes.py and say why.",
    )


def test_every_view_of_the_desk_is_for_staff_only():
    guards = {"staff_only", "coordinator_only"}
    none(
        [route for route in ROUTES if route.at_desk and getattr(route.view, "guard", "") not in guards],
        "Decorate these views with staff_only or coordinator_only (accounts/access.py).",
    )


def test_nothing_outside_the_desk_is_for_staff():
    none(
        [
            route
            for route in ROUTES
            if not route.at_desk
            and hasattr(route.view, "guard")
            and route.name not in STAFF_AWAY_FROM_THE_DESK
        ],
        "Move the page below /desk/. If it must be outside, add it to STAFF_AWAY_FROM_THE_DESK here and say why.",
    )


def test_views_are_functions():
    none(
        [route for route in ROUTES if not inspect.isfunction(inspect.unwrap(route.view))],
        "Write the view as a function: the guards read its code.",
    )


def test_the_tables_name_no_url_that_is_gone():
    none(
        {*PUBLIC, *READERS_OWN, *OBJECT, *SHARED} - {route.name for route in ROUTES},
        "Remove these names from the tables in tests/architecture/routes.py.",
    )


# The guards are seen to fail.


def test_a_view_that_writes_is_found():
    assert (
        len(
            writes_in(
                "def view(request):\n    thing.save()\n    Thing.objects.filter(pk=1).update(x=1)\n    actions.save(thing)\n    request.session.update(a=1)"
            )
        )
        == 2
    )


def test_a_view_without_a_scope_is_found():
    def careless(request, public_id):
        return public_id

    def careful(request, public_id):
        return request.things.belonging_to(request.viewer)

    assert (starts_from_a_scope(careless), starts_from_a_scope(careful)) == (False, True)


def test_a_url_that_stands_in_no_table_is_found():
    assert not is_classified(Route("somewhere/", "somewhere", None, ()))
    assert not is_classified(Route("somewhere/<uuid:public_id>/", "somewhere", None, ("uuid",)))


def test_a_guard_names_everything_that_it_found():
    with pytest.raises(pytest.fail.Exception, match=r"one\ntwo\nDo that\."):
        none(["one", "two"], "Do that.")
