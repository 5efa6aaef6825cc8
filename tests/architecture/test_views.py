"""Check how views read and write rows.

Views must read through a scope, which limits the rows to what the person may see. They must write through
actions.
"""

import ast
import inspect

import pytest
from django.conf import settings

from .guards import fail_if_any
from .routes import OBJECT, PUBLIC, SHARED, VIEWERS_OWN, Route, functions_behind, routes

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
# The objects that views may change, because they are not rows of the database.
NOT_ROWS = (
    "request.session",
    "cache",
    "session",
    "response.headers",
)
# {(file, line): why the view itself writes to the database, instead of calling an action}
WRITES_FOR_A_REASON = {
    ("accounts/views/second_factor.py", "form.save()"): "allauth's form sets up the authenticator app"
}
STAFF_AWAY_FROM_THE_DESK = {"change_second_factor": "the second factor is needed before the desk opens"}
SCOPES = {"belonging_to", "at_desk_of", "not_matched_for", "added_by"}
ROUTES = routes()
VIEW_FILES = sorted(
    path
    for app in ("accounts", "portal", "recommendations")
    for path in (settings.BASE_DIR / app).rglob("*.py")
    if "views" in path.parts or path.name == "views.py" or "desk" in path.parts
)


def writes_in(source):
    """Return the lines in which a view writes to the database."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
            receiver = ast.unparse(node.func.value)
            if not receiver.startswith(NOT_ROWS) and not receiver.split(".")[-1].endswith("actions"):
                found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def starts_from_a_scope(view):
    return any(SCOPES & set(function.__code__.co_names) for function in functions_behind(view))


def test_views_do_not_write_to_the_database():
    names = {str(path.relative_to(settings.BASE_DIR)): path for path in VIEW_FILES}
    fail_if_any(
        [
            f"{name}:{found}"
            for name, path in names.items()
            for found in writes_in(path.read_text())
            if (name, found.partition(": ")[2]) not in WRITES_FOR_A_REASON
        ],
        "Move the write into an action (<app>/actions.py) and call that from the view.",
    )


def test_access_rules_are_stated_for_every_url():
    fail_if_any(
        [f"{route} (/{route.path})" for route in ROUTES if not is_classified(route)],
        "Add the URL to tests/architecture/routes.py and say who may open it: PUBLIC with a reason,"
        " VIEWERS_OWN, or OBJECT with the attribute of tests/architecture/world.py that has the object.",
    )


def is_classified(route):
    if route.converters and route.name not in PUBLIC:
        return route.name in OBJECT
    return route.at_desk or route.name in PUBLIC or route.name in VIEWERS_OWN


def test_views_with_an_id_load_only_objects_that_the_viewer_may_see():
    fail_if_any(
        [
            f"{route} (/{route.path})"
            for route in ROUTES
            if route.converters and not starts_from_a_scope(route.view) and route.name not in SHARED
        ],
        "Look the object up with belonging_to() or at_desk_of(). If it has no owner, add the URL to SHARED in"
        " tests/architecture/routes.py and say why.",
    )


def test_desk_views_are_for_staff_only():
    guards = {"staff_only", "coordinator_only"}
    fail_if_any(
        [route for route in ROUTES if route.at_desk and getattr(route.view, "guard", "") not in guards],
        "Decorate these views with staff_only or coordinator_only (accounts/sign_in/access.py).",
    )


def test_only_desk_views_are_restricted_to_staff():
    fail_if_any(
        [
            route
            for route in ROUTES
            if not route.at_desk
            and hasattr(route.view, "guard")
            and route.name not in STAFF_AWAY_FROM_THE_DESK
        ],
        "Move the page below /desk/, or add it to STAFF_AWAY_FROM_THE_DESK in this test file and say why.",
    )


def test_views_are_functions():
    fail_if_any(
        [route for route in ROUTES if not inspect.isfunction(inspect.unwrap(route.view))],
        "Write the view as a function: the guards read its code.",
    )


def test_every_url_in_the_access_rules_exists():
    fail_if_any(
        {*PUBLIC, *VIEWERS_OWN, *OBJECT, *SHARED} - {route.name for route in ROUTES},
        "Remove these names from the tables in tests/architecture/routes.py.",
    )


# Tests of the checks in this file.


def test_view_check_finds_a_view_that_writes_to_the_database():
    assert (
        len(
            writes_in(
                "def view(request):\n    thing.save()\n    Thing.objects.filter(pk=1).update(x=1)\n    actions.save(thing)\n    request.session.update(a=1)"
            )
        )
        == 2
    )


def test_view_check_finds_a_view_that_loads_objects_of_other_people():
    def careless(request, public_id):
        return public_id

    def careful(request, public_id):
        return request.things.belonging_to(request.viewer)

    assert (starts_from_a_scope(careless), starts_from_a_scope(careful)) == (False, True)


def test_access_rule_check_finds_a_url_without_rules():
    assert not is_classified(Route("somewhere/", "somewhere", None, ()))
    assert not is_classified(Route("somewhere/<uuid:public_id>/", "somewhere", None, ("uuid",)))


def test_failure_message_lists_every_problem_and_the_fix():
    with pytest.raises(pytest.fail.Exception, match=r"one\ntwo\nDo that\."):
        fail_if_any(["one", "two"], "Do that.")
