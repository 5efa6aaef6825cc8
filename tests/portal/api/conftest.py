import json

import pytest
from django.test import Client

from tests.factories import ApiTokenFactory

BODY = {"branch": "main", "mode": "chat", "question_type": "reference"}


@pytest.fixture
def token(branch):
    return ApiTokenFactory(branches=[branch])


@pytest.fixture
def ask(branch):
    """Return ask(method, address, body, token=, key=), which sends a request to the API as another system does."""

    def ask(method, address, body=None, *, token=None, key="", headers=None):
        headers = {
            **({"Authorization": f"Bearer {token.name}"} if token else {}),
            **({"Idempotency-Key": key} if key else {}),
            **(headers or {}),
        }
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        client = Client(enforce_csrf_checks=True)
        if method == "GET":
            return client.get(f"/api/v1/{address}", body or {}, headers=headers)
        return client.generic(method, f"/api/v1/{address}", data, "application/json", headers=headers)

    return ask


@pytest.fixture
def send(ask, branch, token):
    """Return send(**changes), which sends a help session. `changes` replace or add fields of the session."""

    def send(*, token=token, key="first-key", **changes):
        return ask("POST", "help-sessions", BODY | {"branch": branch.slug} | changes, token=token, key=key)

    return send
