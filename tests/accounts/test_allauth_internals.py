"""Check the private parts of allauth that the portal uses.

If one of these tests fails, allauth has changed. Read its release notes, change accounts/allauth_internals.py
and its callers, and then raise the highest allowed version of allauth in pyproject.toml.
"""

import ast
import inspect
import re
import tomllib
from pathlib import Path

import pytest
from allauth.account.internal.flows import code_verification, login, login_by_code
from allauth.mfa.recovery_codes.internal import flows as recovery_codes
from allauth.mfa.totp.internal import flows as totp
from django.conf import settings
from django.test import RequestFactory

from accounts import allauth_internals

ROOT = Path(settings.BASE_DIR)
INTERNALS = "accounts/allauth_internals.py"


def call(*args, **kwargs):
    return args, kwargs


REQUEST, USER, ANY = object(), object(), object()
# {imported name: (its module, {method name: how the portal calls it})}. The method name "" means that the
# portal calls the function or class itself.
USED = {
    "get_authentication_records": (login, {"": call(REQUEST, USER)}),
    "perform_login": (login, {"": call(REQUEST, ANY)}),
    "record_authentication": (login, {"": call(REQUEST, USER, method="code")}),
    "activate_totp": (totp, {"": call(REQUEST, ANY)}),
    "deactivate_totp": (totp, {"": call(REQUEST, ANY)}),
    "generate_recovery_codes": (recovery_codes, {"": call(REQUEST)}),
    "AbstractCodeVerificationProcess": (
        code_verification,
        {
            "": call(max_attempts=5, timeout=600, state={}, user=USER),
            "initial_state": call(user=USER, email="sam@example.org"),
            "abort_if_invalid": call(ANY),
            "is_resend_quota_reached": call(ANY, 2),
            "record_invalid_attempt": call(ANY),
            "record_resend": call(ANY),
        },
    ),
    "LoginCodeVerificationProcess": (
        login_by_code,
        {
            "initiate": call(request=REQUEST, user=USER, email="sam@example.org"),
            "resume": call(ANY),
            "abort": call(ANY),
            "finish": call(ANY, "/"),
            "record_invalid_attempt": call(ANY),
            "resend": call(ANY),
        },
    ),
}


def test_every_imported_allauth_internal_has_a_signature_check():
    assert set(USED) == set(allauth_internals.__all__)


@pytest.mark.parametrize("name", USED)
def test_allauth_has_each_name_that_the_portal_imports(name):
    module, _calls = USED[name]
    assert getattr(allauth_internals, name) is getattr(module, name)
    assert getattr(module, name).__module__ == module.__name__


@pytest.mark.parametrize(
    ("name", "part"), [(name, part) for name, (_, calls) in USED.items() for part in calls]
)
def test_allauth_accepts_the_arguments_that_the_portal_passes(name, part):
    args, kwargs = USED[name][1][part]
    found = getattr(allauth_internals, name)
    inspect.signature(getattr(found, part) if part else found).bind(*args, **kwargs)


def test_code_verification_process_of_allauth_has_three_abstract_methods():
    assert allauth_internals.AbstractCodeVerificationProcess.__abstractmethods__ == {
        "send",
        "persist",
        "abort",
    }


@pytest.mark.parametrize("name", ["code", "user", "can_resend"])
def test_code_verification_process_of_allauth_has_the_properties_that_the_portal_reads(name):
    for process in ("AbstractCodeVerificationProcess", "LoginCodeVerificationProcess"):
        assert isinstance(inspect.getattr_static(getattr(allauth_internals, process), name), property)


def test_code_verification_state_of_allauth_has_the_keys_that_the_portal_reads(patron):
    state = allauth_internals.AbstractCodeVerificationProcess.initial_state(user=patron, email=patron.email)
    assert {"at", "email", "user_id"} <= set(state)


def test_allauth_returns_a_recorded_authentication_method_with_its_time(patron):
    request = RequestFactory().get("/")
    request.session = {}
    allauth_internals.record_authentication(request, patron, method="card")
    [record] = allauth_internals.get_authentication_records(request, patron)
    assert record == {"method": "card", "at": record["at"]}
    assert isinstance(record["at"], float)


def test_untested_releases_of_allauth_are_not_allowed():
    allowed = "\n".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    pins = (ROOT / "requirements-newest.txt").read_text()
    [ceiling] = re.findall(r"^django-allauth.*,<([\d.]+)$", allowed, re.M)
    [(major, minor)] = re.findall(r"^django-allauth==(\d+)\.(\d+)", pins, re.M)
    assert ceiling == f"{major}.{int(minor) + 1}"


def internal_imports(path):
    """Return the internal modules of allauth that this file imports, as dotted names."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in found if name.startswith("allauth.") and "internal" in name.split(".")]


@pytest.mark.slow
def test_only_one_module_imports_allauth_internals():
    apps = ("accounts", "recommendations", "portal", "bench")
    modules = [path for app in apps for path in (ROOT / app).rglob("*.py")]
    others = [path for path in modules if path != ROOT / INTERNALS]
    assert {
        str(path.relative_to(ROOT)): names for path in others if (names := internal_imports(path))
    } == {}, f"Use allauth's public API, or import the name in {INTERNALS} and give the reason there."


def test_import_check_finds_imports_of_allauth_internals(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        "import allauth.mfa.internal.flows\n"
        "from allauth.account import internal\n"
        "from allauth.account import adapter\n"
    )
    assert internal_imports(module) == ["allauth.mfa.internal.flows", "allauth.account.internal"]
    assert internal_imports(ROOT / INTERNALS) != []
