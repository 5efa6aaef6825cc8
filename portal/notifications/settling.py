"""Decide what happens to a notice that a worker has taken: send it, postpone it, or delete it.

If one email replaces several notices, only the row of this email is left, and the other rows are deleted. The
person's row is locked while a worker decides, so two workers never send two emails for the same notices.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from accounts.models import Absence, Branch, Library, User
from portal.pauses import pause_after_writing

from .actions import ADDRESS_OFF, mark_failed
from .deciding import DROP, SEND, Decision, decide
from .facts import facts_about, facts_for_browsers, may_be_written_to
from .kinds import DIGESTS, KINDS, WHY_DIGEST, Channel, Kind, Rhythm, is_notice, kinds_for
from .models import Notification, StaffNotice
from .push.delivery import devices_for, hand_over
from .push.subscriptions import who_has_devices
from .unsubscribing import unsubscribe_headers
from .writing import change_url, new_message_id, notify, save_all

WAITING = Notification.State.WAITING


def write_staff_notices(*, at, sources):
    """Write one row of the outbox for each person who gets a StaffNotice that is due."""
    for notice in StaffNotice.objects.filter(written_at=None, due_at__lte=at).order_by("due_at", "pk")[:200]:
        with pause_after_writing(), transaction.atomic():
            # If several workers process this notice, only the first one finds `written_at` empty.
            if StaffNotice.objects.filter(pk=notice.pk, written_at=None).update(written_at=at):
                _write_to_each(sources.recipients[notice.kind](notice, at), notice, at)


def settle(row, *, at, sources):
    """Return the email to send now for a row that this worker has taken, or None if no email is sent now.

    The email is this row, a later row about the same thing, or a new row with a digest. The returned email
    gets the lease of `row`. If the notice is sent to devices instead, return None. `sources` is the worker's
    `facts.Sources`.
    """
    if row.browsers_about:
        with pause_after_writing():
            return _settle_for_browsers(row, at, sources)
    if row.recipient_id is None or not is_notice(row.kind):
        return row
    with pause_after_writing(), transaction.atomic():
        return _settle(row, at, sources) if row.kind in KINDS else _digest_again(row, at, sources)


def decide_about_push(notice, *, at, sources):
    """Return the Decision about a push message that a worker has taken and would send to one device.

    The message is about `notice`, which is None if the notice was deleted. `settle` has decided to send the
    notice, but things may have changed since then. The person may have read the answer or turned the notice
    off, or staff may have taken the answer back. During quiet hours a message waits, because a phone makes a
    sound.
    """
    if notice is None:
        return DROP
    if notice.browsers_about:
        facts = facts_for_browsers([notice], at, sources)
    else:
        person = User.objects.filter(pk=notice.recipient_id).first()
        rows = [notice] if notice.kind in KINDS else _notices_of(notice)
        facts = facts_about(rows, person, at, sources) if person and rows else {}
    # The facts count this notice itself as the last notice and the last email. Ignore both times, because the
    # notice must not wait for itself.
    now = [
        decide(replace(fact, is_retry=False, told_at=None, emailed_at=None), at) for fact in facts.values()
    ]
    if any(decision.send for decision in now):
        return SEND
    waits = [decision.until for decision in now if decision.until]
    return Decision(until=min(waits)) if waits else DROP


@transaction.atomic
def _settle_for_browsers(row, at, sources):
    """Send the notice to the browsers that opened the visit by code, postpone it, or delete it."""
    others = Q(kind=row.kind, about=row.about, due_at__lte=at, decided_at=None) & ~Q(pk=row.pk)
    taken = Q(pk=row.pk, leased_until=row.leased_until, decided_at=row.decided_at)
    same = Notification.objects.filter(taken | others, browsers_about=row.browsers_about, state=WAITING)
    rows = list(same.select_for_update(of=["self"]).order_by("created_at", "pk"))
    if row not in rows:
        return
    decision = decide(facts_for_browsers(rows, at, sources)[row.pk], at)
    devices = devices_for(row, at=at) if decision.send else []
    if decision.until:
        _postpone(row, until=decision.until)
    elif not devices:
        row.delete()
    else:
        # All notices in `rows` have the same text, so one message is enough.
        Notification.objects.filter(pk__in=[each.pk for each in rows if each != row]).delete()
        Notification.objects.filter(pk=row.pk).update(decided_at=at)
        hand_over(row, devices, at=at)


def _digest_again(digest, at, sources):
    """Take the notices that no longer apply out of a digest that a mail server refused. Return the digest.

    Return None if no email is sent now. Delete the digest if none of its notices applies anymore, or if the
    person may no longer get the digest.
    """
    person = User.objects.filter(pk=digest.recipient_id, is_active=True).first()
    if (
        person is None
        or not may_be_written_to(person)
        or (digest.kind == DIGESTS[True] and not person.is_staff)
    ):
        Notification.objects.filter(pk=digest.pk).delete()
        return None
    rows = _notices_of(digest)
    facts = facts_about(rows, person, at, sources) if rows else {}
    decisions = {row.pk: decide(facts[row.pk], at) for row in rows}
    wanted = [row for row in rows if not decisions[row.pk].drop]
    if rows and not wanted:
        Notification.objects.filter(pk=digest.pk).delete()
        return None
    if wanted and not any(decisions[row.pk].send for row in wanted):
        _postpone(digest, until=min(decisions[row.pk].until for row in wanted))
        return None
    changed = {"to_address": person.email}
    if wanted and (len(wanted) < len(digest.replaces) or digest.to_address != person.email):
        changed |= _written_again(digest, person, wanted, at)
    for name, value in changed.items():
        setattr(digest, name, value)
    # If the person has just been erased, the digest was deleted with them.
    is_there = Notification.objects.filter(pk=digest.pk).update(**changed)
    if not is_there:
        return None
    if digest.address_off and (devices := devices_for(digest, at=at)):
        hand_over(digest, devices, at=at)
        return None
    return _unless_address_is_off(digest, digest, at)


def _notices_of(digest):
    """Return the notices that a digest replaced, as rows that are not saved."""
    branches = Branch.objects.in_bulk({notice["branch"] for notice in digest.replaces} - {None})
    return [
        Notification(
            pk=number,
            recipient_id=digest.recipient_id,
            to_address=digest.to_address,
            created_at=digest.created_at,
            decided_at=digest.decided_at,
            **notice | {"branch": branches.get(notice["branch"])},
        )
        for number, notice in enumerate(digest.replaces, 1)
        if notice["kind"] in KINDS
    ]


def _written_again(digest, person, rows, at):
    """Write the digest again with only these notices, and return {changed field: value}."""
    new = _digest(person, rows, at)
    changed = {name: getattr(new, name) for name in ("language", "subject", "text", "html", "replaces")}
    kinds = sorted({row.kind for row in rows})
    return changed | {"headers": digest.headers | unsubscribe_headers(person, kinds)}


def _settle(row, at, sources):
    person = User.objects.select_for_update(no_key=True).filter(pk=row.recipient_id).first()
    # If the person has just been erased, the row was deleted with them.
    rows = _due(person, row, at) if person else []
    taken = next((due for due in rows if due.pk == row.pk), None)
    if taken is None:
        # Another worker has just put this notice into another email.
        return None
    kind = KINDS[row.kind]
    absence = _absence(person, at) if kind.for_staff and not kind.is_report else None
    if absence:
        _give_to_cover(taken, absence, at)
        return None
    facts = facts_about(rows, person, at, sources)
    decision = decide(facts[taken.pk], at)
    if decision.send:
        choice = facts[taken.pk].choice
        email = _email(person, taken, _replaced(taken, rows, facts, at), choice, at)
        if choice.channel != Channel.PUSH:
            return _unless_address_is_off(email, taken, at)
        hand_over(email, devices_for(email, at=at), at=at)
    elif decision.drop:
        taken.delete()
    else:
        _postpone(taken, until=decision.until)
    return None


def _unless_address_is_off(email, taken, at):
    """Return the email. If notices to its address have been stopped, give the email up and return None.

    `take_next` makes the same check, but not for people who seem to have a device.
    """
    if not taken.address_off:
        return email
    mark_failed(email, at=at, error=ADDRESS_OFF, permanent=True)
    return None


def _write_to_each(people, notice, at):
    people = list(people)
    with_devices = who_has_devices([person for person in people if not person.email])
    save_all(
        Notification(
            kind=notice.kind,
            recipient=person,
            to_address=person.email or "",
            about=notice.about,
            branch_id=notice.branch_id,
            url=notice.url,
            created_at=notice.created_at,
            due_at=at,
            message_id=new_message_id(),
        )
        for person in people
        if person.email or person.pk in with_devices
    )


def _due(person, row, at):
    """Return `row`, which this worker has taken, and the person's other due notices that are not decided yet.

    All returned notices are for staff, or all are for patrons, because no email mixes the two. If another
    worker has already decided about `row`, the result doesn't contain `row`.
    """
    kinds = [kind.key for kind in kinds_for(staff=KINDS[row.kind].for_staff)]
    taken = Q(pk=row.pk, leased_until=row.leased_until, decided_at=row.decided_at)
    others = Q(kind__in=kinds, due_at__lte=at, decided_at=None) & ~Q(pk=row.pk)
    rows = Notification.objects.filter(taken | others, recipient=person, state=WAITING)
    # Lock the rows, so that nobody can withdraw a notice after this worker has decided to send it.
    rows = rows.select_for_update(of=["self"]).with_address_off()
    return list(rows.select_related("branch").order_by("created_at", "pk"))


def _absence(person, at):
    today = Absence.objects.on(Library.current().today(at))
    return today.filter(person=person).select_related("cover").first()


def _give_to_cover(row, absence, at):
    """Send the notice to the colleague who covers for an absent colleague.

    Delete the notice if nobody covers, or if the covering colleague is away too.
    """
    cover = absence.cover
    can_be_told = cover is not None and bool(cover.email or who_has_devices([cover]))
    if not can_be_told or _absence(cover, at):
        row.delete()
        return
    Notification.objects.filter(pk=row.pk).update(recipient=cover, to_address=cover.email or "")
    _postpone(row, until=at)


def _postpone(row, *, until):
    """Make the row due again at the time `until`. The attempt to send it isn't counted."""
    Notification.objects.filter(pk=row.pk).update(due_at=until, leased_until=None, attempts=row.attempts - 1)


def _replaced(taken, rows, facts, at):
    """Return the notices that one email replaces, oldest first. `taken` is one of them.

    `taken` is the row that this worker has leased. For a person who gets digests, return all notices of the
    digest. For a person who gets notices immediately, return the notices about the same thing as `taken`.
    """

    def group(row):
        choice = facts[row.pk].choice
        if choice.rhythm != Rhythm.AT_ONCE:
            return f"digest by {choice.channel}"
        return (row.kind, row.about) if row.about else row.pk

    if taken.decided_at:
        return [taken]
    same = [row for row in rows if group(row) == group(taken)]
    return [row for row in same if row == taken or decide(facts[row.pk], at).send]


def _email(person, taken, rows, choice, at):
    """Return one email for all these rows: the last row or a digest. Delete the rows that it replaces.

    `taken` is the row that this worker has leased. The returned email gets the same lease.
    """
    # The text of a row may name a staff member, so it is sent only to the address that it was written for. If
    # the person has a new address since then, which may be unconfirmed, send a digest. A digest to a new
    # address names nobody and no conversation.
    is_own_text = rows[-1].text and rows[-1].to_address == (person.email or "")
    one_thing = len({_thing(row) for row in rows}) == 1
    email = rows[-1] if is_own_text and one_thing else _digest(person, rows, at)
    if choice.rhythm != Rhythm.AT_ONCE or email.kind in DIGESTS.values() or KINDS[email.kind].is_report:
        email.headers |= unsubscribe_headers(person, sorted({row.kind for row in rows}))
    email.to_address = person.email or ""
    email.decided_at = email.decided_at or at
    email.leased_until, email.attempts = taken.leased_until, taken.attempts
    email.save()
    Notification.objects.filter(pk__in=[row.pk for row in rows if row != email]).delete()
    return email


def _thing(row):
    """Return a key that is the same for all rows about the same thing.

    A row without `about` has its own key.
    """
    return (row.kind, row.about) if row.about else row.pk


def _digest(person, rows, at):
    """Return an unsaved row with a digest. The digest has one line for each kind and branch."""
    groups = defaultdict(list)
    for row in rows:
        if row.to_address != (person.email or ""):
            row.url = ""
        groups[row.kind, row.branch].append(row)
    lines = [
        Line(kind, branch, same)
        for kind in KINDS.values()
        for (key, branch), same in groups.items()
        if key == kind.key
    ]
    for_staff = lines[0].kind.for_staff
    digest = notify(
        DIGESTS[for_staff],
        to=person.email or "",
        at=at,
        recipient=person,
        language=person.language,
        # A push message can have only one link. So for several lines, link to the page that lists everything.
        url=lines[0].url if len(lines) == 1 else settings.BASE_URL + reverse("desk" if for_staff else "home"),
        context={
            "lines": lines,
            "why": lines[0].kind.why if len({line.kind for line in lines}) == 1 else WHY_DIGEST[for_staff],
            "change_url": change_url("desk_notices" if for_staff else "notices"),
        },
        save=False,
    )
    digest.replaces = [
        {
            "kind": row.kind,
            "branch": row.branch_id,
            "about": row.about,
            "message_id": row.message_id,
            "url": row.url,
        }
        for row in rows
    ]
    return digest


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
        """Return the URL of the thing that this line is about.

        If the line is about several things, return the URL of a list of them.
        """
        own = {row.url for row in self.rows}
        if len(own) == 1 and "" not in own:
            return own.pop()
        branch = f"?branch={self.branch.slug}" if self.branch else ""
        return settings.BASE_URL + reverse(self.kind.list_page) + branch
