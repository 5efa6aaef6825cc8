"""Settle what happens with a notice that a worker has taken: it is sent, waits, or is deleted.

One email can replace several notices. Then the rows of the others are deleted. The person's row is locked
meanwhile, so two workers never send two emails for the same notices.
"""

from collections import defaultdict
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from accounts.models import Absence, Branch, Library, User

from .actions import change_url, new_message_id, notify, save_all
from .deciding import decide
from .facts import facts_about
from .kinds import DIGESTS, KINDS, WHY_DIGEST, Kind, Rhythm, is_notice, kinds_for
from .models import Notification, StaffNotice
from .unsubscribing import unsubscribe_headers

WAITING = Notification.State.WAITING


def write_staff_notices(*, at, sources):
    """Write one row of the outbox for each person who gets a StaffNotice that is due."""
    for notice in StaffNotice.objects.filter(written_at=None, due_at__lte=at).order_by("due_at", "pk")[:200]:
        with transaction.atomic():
            # Only the first of several workers gets past this line.
            if StaffNotice.objects.filter(pk=notice.pk, written_at=None).update(written_at=at):
                _write_to_each(sources.recipients[notice.kind](notice, at), notice, at)


def settle(row, *, at, sources):
    """Return the email to send now for a row that this worker has taken. Return None if there is none.

    The email is this row, a later row about the same thing, or a new row with a digest. It has the lease of
    this row. `sources` is the worker's `facts.Sources`.
    """
    if row.recipient_id is None or not is_notice(row.kind):
        return row
    if row.kind not in KINDS:
        return _digest_again(row)
    with transaction.atomic():
        return _settle(row, at, sources)


def _digest_again(row):
    """Return a digest that a server refused before. Delete it if the person may not get it any more."""
    person = User.objects.filter(pk=row.recipient_id, is_active=True).first()
    if person is None or not person.email or (row.kind == DIGESTS[True] and not person.is_staff):
        Notification.objects.filter(pk=row.pk).delete()
        return None
    row.to_address = person.email
    # Somebody may have erased the person, with the row.
    is_there = Notification.objects.filter(pk=row.pk).update(to_address=row.to_address)
    return row if is_there else None


def _settle(row, at, sources):
    person = User.objects.select_for_update(no_key=True).filter(pk=row.recipient_id).first()
    # The person may have been erased just now, with the row.
    rows = _due(person, row, at) if person else []
    taken = next((due for due in rows if due.pk == row.pk), None)
    if taken is None:
        # Another worker has just replaced it by another email.
        return None
    absence = _absence(person, at) if KINDS[row.kind].for_staff else None
    if absence:
        _give_to_cover(taken, absence, at)
        return None
    facts = facts_about(rows, person, at, sources)
    decision = decide(facts[taken.pk], at)
    if decision.send:
        return _email(person, taken, _replaced(taken, rows, facts, at), facts[taken.pk].choice, at)
    if decision.drop:
        taken.delete()
    else:
        _let_wait(taken, until=decision.until)
    return None


def _write_to_each(people, notice, at):
    save_all(
        Notification(
            kind=notice.kind,
            recipient=person,
            to_address=person.email,
            about=notice.about,
            branch_id=notice.branch_id,
            url=notice.url,
            created_at=notice.created_at,
            due_at=at,
            message_id=new_message_id(),
        )
        for person in people
        if person.email
    )


def _due(person, row, at):
    """Return the taken row, and the other notices to this person that are due and not decided yet.

    Notices to a staff member and notices to the same person as a patron never share an email. The taken row
    is missing if another worker has decided about it since this worker took it.
    """
    kinds = [kind.key for kind in kinds_for(staff=KINDS[row.kind].for_staff)]
    taken = Q(pk=row.pk, leased_until=row.leased_until, decided_at=row.decided_at)
    others = Q(kind__in=kinds, due_at__lte=at, decided_at=None) & ~Q(pk=row.pk)
    rows = Notification.objects.filter(taken | others, recipient=person, state=WAITING)
    # Lock the rows, so that nobody can withdraw one after this worker has decided to send it.
    rows = rows.select_for_update(of=["self"])
    return list(rows.select_related("branch").order_by("created_at", "pk"))


def _absence(person, at):
    today = Absence.objects.on(Library.current().today(at))
    return today.filter(person=person).select_related("cover").first()


def _give_to_cover(row, absence, at):
    """Give the notice to the colleague who covers. Delete it if nobody covers, or if they are away too."""
    cover = absence.cover
    if cover is None or not cover.email or _absence(cover, at):
        row.delete()
        return
    Notification.objects.filter(pk=row.pk).update(recipient=cover, to_address=cover.email)
    _let_wait(row, until=at)


def _let_wait(row, *, until):
    """Let any worker take the row again at the time `until`. Nobody has tried to send it yet."""
    Notification.objects.filter(pk=row.pk).update(due_at=until, leased_until=None, attempts=0)


def _replaced(taken, rows, facts, at):
    """Return the rows that one email replaces, the oldest first. The taken row is one of them.

    They are all notices of a digest, or the notices about one thing to a person who gets them at once.
    """

    def group(row):
        if facts[row.pk].choice.rhythm != Rhythm.AT_ONCE:
            return "digest"
        return (row.kind, row.about) if row.about else row.pk

    if taken.decided_at:
        return [taken]
    same = [row for row in rows if group(row) == group(taken)]
    return [row for row in same if row == taken or decide(facts[row.pk], at).send]


def _email(person, taken, rows, choice, at):
    """Return the email that replaces these rows, and delete the other rows."""
    # The text of a row may name a staff member. It was written for the address that the person had then. A
    # new address may be unconfirmed, so it gets a digest, which names nobody and no conversation.
    is_own_text = rows[-1].text and rows[-1].to_address == person.email
    one_thing = len({_thing(row) for row in rows}) == 1
    email = rows[-1] if is_own_text and one_thing else _digest(person, rows, at)
    if choice.rhythm != Rhythm.AT_ONCE:
        email.headers |= unsubscribe_headers(person, sorted({row.kind for row in rows}))
    email.to_address = person.email
    email.decided_at = email.decided_at or at
    email.leased_until, email.attempts = taken.leased_until, taken.attempts
    email.save()
    Notification.objects.filter(pk__in=[row.pk for row in rows if row != email]).delete()
    return email


def _thing(row):
    """Return what the row is about. A row that is about nothing else in the outbox is alone."""
    return (row.kind, row.about) if row.about else row.pk


def _digest(person, rows, at):
    """Return a new row, not saved yet, with one line for each kind and branch."""
    groups = defaultdict(list)
    for row in rows:
        if row.to_address != person.email:
            row.url = ""
        groups[row.kind, row.branch].append(row)
    lines = [
        Line(kind, branch, same)
        for kind in KINDS.values()
        for (key, branch), same in groups.items()
        if key == kind.key
    ]
    for_staff = lines[0].kind.for_staff
    return notify(
        DIGESTS[for_staff],
        to=person.email,
        at=at,
        recipient=person,
        language=person.language,
        context={
            "lines": lines,
            "why": lines[0].kind.why if len({line.kind for line in lines}) == 1 else WHY_DIGEST[for_staff],
            "change_url": change_url(for_staff=for_staff),
        },
        save=False,
    )


@dataclass(frozen=True)
class Line:
    """One line of a digest: the notices of one kind from one branch."""

    kind: Kind
    branch: Branch | None
    rows: list

    @property
    def text(self):
        count = len({_thing(row) for row in self.rows})
        return self.kind.line(count) % {"count": count, "branch": self.branch}

    @property
    def url(self):
        """Return the address of what the line is about, or of the list with all of it."""
        own = {row.url for row in self.rows}
        if len(own) == 1 and "" not in own:
            return own.pop()
        branch = f"?branch={self.branch.slug}" if self.branch else ""
        return settings.BASE_URL + reverse(self.kind.list_page) + branch
