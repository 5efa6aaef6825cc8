"""Make and revoke the tokens of other systems, and find the token of a request."""

import hashlib
from datetime import timedelta

from django.db.models import F

from accounts import audit
from accounts.staff_actions import staff_action
from portal.keys import fingerprint

from .models import ApiToken

# Programs that look for leaked secrets can recognize a token by this beginning.
PREFIX = "afterword_"
# The maximum number of tokens that are not revoked.
MAX_TOKENS = 50
PURPOSE = "token of another system"
# If a form is sent again within this time, the response shows the same token again, because the person sees
# only the last response.
SHOWN_AGAIN = timedelta(minutes=1)


class TooManyTokens(Exception):
    """The library already has MAX_TOKENS tokens that are not revoked."""


class MadeBefore(Exception):
    """This form made a token longer than SHOWN_AGAIN ago, so the text of the token can't be shown again."""


@staff_action
def make_token(*, name, scopes, branches, may_send_words, client_token, by, at):
    """Make a token, and return (the ApiToken, the token as text). The text is stored nowhere.

    `branches` are the Branches at which the system may record sessions or read figures. `client_token` is a
    random UUID of the form. If the form is sent again within SHOWN_AGAIN, return the same token. Raises
    TooManyTokens and MadeBefore.
    """
    text = PREFIX + fingerprint(PURPOSE, f"{by.public_id} {client_token}")
    if found := ApiToken.objects.filter(token_hash=hash_of(text)).first():
        if found.revoked_at or at - found.made_at > SHOWN_AGAIN:
            raise MadeBefore
        return found, text
    if ApiToken.objects.active().count() >= MAX_TOKENS:
        raise TooManyTokens
    token = ApiToken.objects.create(
        name=name,
        token_hash=hash_of(text),
        scopes=sorted(scopes),
        may_send_words=may_send_words,
        made_at=at,
    )
    token.branches.set(branches)
    audit.record("made_api_token", token, by=by, at=at)
    return token, text


@staff_action
def revoke_token(token, *, by, at):
    """Revoke the token, so that the system can no longer use the API with this token."""
    if ApiToken.objects.active().filter(pk=token.pk).update(revoked_at=at):
        audit.record("revoked_api_token", token, by=by, at=at)


@staff_action
def restore_token(token, *, by, at):
    """Undo revoking the token, so that the system can use the API with this token again."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=False).update(revoked_at=None):
        audit.record("restored_api_token", token, by=by, at=at)


def find_token(text):
    """Return the active token with this text, or None."""
    return ApiToken.objects.active().filter(token_hash=hash_of(text)).first()


def note_use(token, *, today):
    """Store the day on which the token was last used."""
    if token.last_used_on != today:
        ApiToken.objects.filter(pk=token.pk).update(last_used_on=today)


def listed_tokens(user):
    """Return the tokens that this coordinator manages.

    The active tokens come first, newest first. Then come the revoked tokens, last revoked first.
    """
    tokens = ApiToken.objects.managed_by(user).prefetch_related("branches")
    return tokens.order_by(F("revoked_at").desc(nulls_first=True), "-made_at", "-pk")


def hash_of(text):
    """Return the SHA-256 of a token or a key. A token is random, so its hash needs no salt."""
    return hashlib.sha256(text.encode()).hexdigest()
