"""Django's session store and allauth's authentication backend, with faster queries.

Nearly every page reads the session and the person. The SQL of both queries is therefore compiled only once.
"""

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.db.models import BigAutoField, CharField, DateTimeField
from django.dispatch import Signal
from django.utils import timezone

from portal.prepared import prepared

# The portal sends this signal before a session is emptied or deleted, and when a browser becomes a borrowed
# device or a shared desk computer. The argument is `session`. Receivers delete what they have stored for this
# browser.
browser_given_up = Signal()


class SessionStore(db.SessionStore):
    def flush(self):
        """Send browser_given_up, and empty the session.

        Django calls this method when a person signs out or another person signs in.
        """
        browser_given_up.send(sender=type(self), session=self)
        super().flush()

    def save(self, must_create=False):
        """Save the session. Raises UpdateError if the session was deleted after it was loaded.

        Django's own method raises UpdateError for every database error. The error page would then say that
        the browser sent something wrong. So if the database fails, this method raises the database's own
        error.
        """
        try:
            super().save(must_create)
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError):
                raise error.__context__ from None
            raise

    def _get_session_from_db(self):
        for session in _live_session(key=self.session_key, now=timezone.now()):
            return session
        self._session_key = None
        return None


@prepared(key=CharField(), now=DateTimeField())
def _live_session(key, now):
    return Session.objects.filter(session_key=key, expire_date__gt=now)


class SignedIn(AuthenticationBackend):
    def get_user(self, user_id):
        return next(filter(self.user_can_authenticate, _person(person=user_id)), None)


@prepared(person=BigAutoField())
def _person(person):
    return get_user_model().objects.filter(pk=person)
