"""Write one email of each kind that the portal sends, and find the links in them."""

import html
import re
import uuid
from collections import defaultdict
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Library
from accounts.sign_in.email_addresses import change_in_a_week
from accounts.sign_in.security_mails import mail_security_notice
from accounts.staff.invitations import invite
from accounts.viewer import Viewer
from portal.checkins.emails import Emails
from portal.conversations import actions, notes
from portal.conversations.models import Event
from portal.desk.figures import month_email
from portal.helpsessions import handover
from portal.incoming import polite_replies
from portal.lists.emailing import email_list
from portal.notifications.kinds import DIGESTS, KINDS
from portal.notifications.models import Notification
from portal.notifications.unsubscribing import unsubscribe_headers
from portal.notifications.writing import change_url, notify
from portal.privacy import correction_emails, exports
from tests.accounts.test_sign_in import ask_for_code
from tests.factories import HelpSessionFactory, UserFactory, ask_by_email, recommend_in

# {kind of an email: part of its subject}. In the outbox, all these emails have the kind "account/mail".
ACCOUNT_EMAILS = {
    "account/login_code": "code",
    "account/sign_in_methods_changed": "Your sign-in at",
    "account/address_change": "email address",
    "account/invitation": "Invitation to work at",
}


def kinds_of_email():
    """Return every kind of email: those with a template, such as "account/login_code", and all notices.

    Partial templates are left out. Their names begin with "_".
    """
    files = (settings.BASE_DIR / "templates").glob("*/email/*")
    ends = r"(\.subject\.txt|\.txt|\.html|_subject\.txt|_message\.txt|_message\.html)$"
    names = [f"{file.parts[-3]}/{file.name}" for file in files if not file.name.startswith("_")]
    return {re.sub(ends, "", name) for name in names} | set(KINDS) | set(DIGESTS.values())


def links_in_emails(world):
    """Write emails of each kind about the objects of `world`. Return {kind: the URLs in emails of this kind}.

    The outbox must be in use. See tests/mailers.py.
    """
    links = defaultdict(set)
    _write_emails(world, at=timezone.now())
    for email in Notification.objects.all():
        kinds = [kind for kind, words in ACCOUNT_EMAILS.items() if words in email.subject]
        for kind in kinds if email.kind == "account/mail" else [email.kind]:
            links[kind] |= _links_in(email)
    for kind in KINDS.values():
        found = _links_in(_digest_of(world, kind, at=timezone.now()))
        links[kind.key] |= found
        links[DIGESTS[kind.for_staff]] |= found
    return links


def _links_in(email):
    content = html.unescape(f"{email.text} {email.html} {email.url} {email.headers}")
    return set(re.findall(re.escape(settings.BASE_URL) + r"/[^\s\"'<>)]*", content))


def _write_emails(world, *, at):
    ask_for_code(Client(), "somebody@example.org")
    mail_security_notice(world.patron, "added_passkey")
    invite(
        name="Noor Bakker",
        email="noor@example.org",
        language="en",
        at_branches={world.branch: "staff"},
        by=world.coordinator,
        at=at,
    )
    handover.hand_over(
        world.by_code.session, by=world.staff, at=at, base_url=settings.BASE_URL, to_address="sam@example.org"
    )
    actions.reply(
        world.conversation,
        by=world.staff,
        side="staff",
        at=at,
        body="It is in.",
        language="en",
        client_token=uuid.uuid4(),
    )
    moved = {"url": settings.BASE_URL + world.conversation.get_absolute_url(), "day": None}
    notify("conversations/promise_moved", to="sam@example.org", at=at, language="en", context=moved)
    step = {
        "event": Event(kind=Event.Kind.STEP_RECORDED, promised_on=at.date()),
        "kinds": Event.Kind,
        "url": settings.BASE_URL + reverse("item", args=[world.item.public_id]),
    }
    notify("conversations/next_step", to="sam@example.org", at=at, language="en", context=step)
    notes.write_note(
        world.conversation,
        by=world.coordinator,
        at=at,
        body=f"@{world.staff.name} look",
        client_token=uuid.uuid4(),
    )
    exports.ask_for(world.other_patron, language="en", at=at)
    exports.build_exports(at=timezone.now())
    notify("privacy/merged", to="old@example.org", at=at, language="en", context={"hours": 24}, remove=True)
    receipt = {
        "erasure": world.erasure,
        "goes": [],
        "url": settings.BASE_URL + reverse("erased", args=[world.erasure.public_id]),
    }
    notify("privacy/erased", to="gone@example.org", at=at, language="en", context=receipt)
    HelpSessionFactory(branch=world.branch, happened_on=at.date() - timedelta(days=70))
    month_email.write_month_emails(at=at.replace(day=20, hour=18))
    notify("desk/test_email", to="rosa@example.org", at=at, language="en", context={})
    correction_emails.send(world.session, version=1, at=at)
    email_list(world.saved_list, Viewer(world.patron), to="sam@example.org", token=uuid.uuid4(), at=at)
    change_in_a_week(world.other_patron, email="new@example.org", at=at)
    with transaction.atomic():
        polite_replies.reply_to(world.patron, conversation=world.conversation, reason="empty", at=at)
    for has_titles in (False, True):
        _write_check_in(world, has_titles=has_titles, at=at)


def _write_check_in(world, *, has_titles, at):
    patron = UserFactory(check_in_titles=has_titles)
    visit = HelpSessionFactory(branch=world.branch, staff=world.staff, patron=patron)
    recommend_in(visit, 2)
    check_in, path = ask_by_email(visit, at=at)
    email = Emails(Library.current()).write(check_in, token=path.split("/")[2], at=at)
    email.save()


def _digest_of(world, kind, *, at):
    """Write a digest with a line about notices of this kind, and return the digest's Notification."""
    lines = [{"text": "2 notices", "url": settings.BASE_URL + reverse(kind.list_page)}]
    digest = notify(
        DIGESTS[kind.for_staff],
        to="sam@example.org",
        at=at,
        language="en",
        context={"lines": lines, "why": kind.why, "change_url": change_url(kind.change_page)},
    )
    digest.headers = unsubscribe_headers(world.patron, [kind.key])
    digest.save()
    return digest


def rows_of_all_tables():
    """Return {name of a table: its rows}, for every table of the database. Sessions are included."""
    with connection.cursor() as cursor:
        found = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found[table] = sorted(map(repr, cursor.fetchall()))
        return found
