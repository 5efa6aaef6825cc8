from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.utils import timezone

from bench.browser import Page, Request

from .models import Row


def set_up(_count):
    """Create 20 people with 50 rows each, and return {name: Page}.

    The only page lists the rows of one person and is about 14 kB.
    """
    call_command("migrate", run_syncdb=True, verbosity=0)
    people = [get_user_model().objects.create(username=f"person{n}") for n in range(20)]
    Row.objects.bulk_create(
        Row(owner=person, title=f"Row {n} of {person.username}", text="word " * 55, at=timezone.now())
        for person in people
        for n in range(50)
    )
    store = SessionStore()
    store[SESSION_KEY] = str(people[0].pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = people[0].get_session_auth_hash()
    store.create()
    return {"minimal": Page([Request("/", {"sessionid": store.session_key})])}
