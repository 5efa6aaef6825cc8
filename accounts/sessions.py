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
from django.utils import timezone

from portal.prepared import prepared


class SessionStore(db.SessionStore):
    def save(self, must_create=False):
        """Save the session. Raises UpdateError only if the session was deleted meanwhile.

        Django raises it for each error of the database, and the person would read that their browser sent
        something wrong.
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
