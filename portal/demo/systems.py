"""Let other systems use the API of the demo library. Nobody knows the tokens of these systems."""

import datetime
import uuid

from portal.api.models import ApiToken
from portal.api.tokens import make_token, note_use, revoke_token

Scope = ApiToken.Scope
DAY = datetime.timedelta(days=1)


def add(builder):
    """Make the tokens of three systems: one that reads figures, a new one, and one that was revoked."""
    dashboard = _make(builder, "City dashboard", {Scope.FIGURES, Scope.OUTCOMES}, days_ago=60)
    note_use(dashboard, today=(builder.now - DAY).date())
    _make(builder, "Chat on our website", {Scope.RECORD}, days_ago=1)
    kiosk = _make(builder, "Old kiosk in the hall", {Scope.RECORD}, days_ago=90)
    note_use(kiosk, today=(builder.now - 35 * DAY).date())
    revoke_token(kiosk, by=builder.people["rosa"], at=builder.now - 34 * DAY)


def _make(builder, name, scopes, *, days_ago):
    token, _text = make_token(
        name=name,
        scopes=scopes,
        branches=[builder.branches["central"], builder.branches["harbor"]],
        may_send_words=False,
        client_token=uuid.UUID(int=builder.random.getrandbits(128), version=4),
        by=builder.people["rosa"],
        at=builder.now - days_ago * DAY,
    )
    return token
