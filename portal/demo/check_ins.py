"""Plan the demo's check-ins. Some of them are due, sent, answered, skipped, changed by staff or approved."""

import datetime
from collections import defaultdict
from contextlib import suppress

from django.utils.translation import override

from accounts.models import Library, User
from accounts.patron import check_ins as consent
from portal.checkins import planning, reviewing, sending
from portal.checkins.changing_rules import set_topic_rule
from portal.checkins.models import CheckIn, CheckInRule
from portal.checkins.rules import Rule
from portal.conversations import outcomes
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation

from .people import person_id

# The maximum age of the visits that get check-ins, in days.
DAYS = 14
# What the patrons have chosen about check-ins. The demo gives these choices to its patrons in turn, and then
# begins again with the first choice. "" means that a patron hasn't chosen yet.
CHOICES = (User.CheckIns.EMAIL, User.CheckIns.EMAIL, User.CheckIns.PAGES, "", User.CheckIns.NONE)
# This patron has chosen email. One of their check-ins waits until a staff member approves it.
BY_EMAIL = "victor"
# This patron has pressed "I've got it" for each book of their visits with check-ins.
HAS_ITEMS = "fern"
REASON = "when the essay is due"
REASON_BY_EMAIL = "when the first book is read"
WORDS = "How is it going? I found one more thing that may help. Shall I put it aside for you?"


def plan_check_ins(builder):
    """Turn on check-ins, and plan one for each visit of the last DAYS days."""
    at = builder.now
    Library.objects.update(check_ins=True)
    # Three days after a visit about a tax form, the patron knows whether it was the right form.
    rule = Rule(CheckInRule.Since.VISIT, 3)
    set_topic_rule(builder.topics["tax"], rule, by=builder.people["rosa"], at=at)
    since = Library.current().today(at) - datetime.timedelta(days=DAYS)
    visits = HelpSession.objects.recorded().filter(happened_on__gte=since).order_by("happened_on", "pk")
    check_ins = [planned for visit in visits if (planned := planning.plan(visit, at=at))]
    _choose({visit.patron for visit in visits.select_related("patron") if visit.patron}, at=at)
    _tap_got_it(check_ins, at=at)
    _review(check_ins, at=at)
    _ask(at=at)
    _wait_for_approval(builder.people["rosa"], at=at)
    _leave_out(at=at)


def _choose(patrons, *, at):
    for number, patron in enumerate(sorted(patrons, key=lambda person: person.pk)):
        choice = CHOICES[number % len(CHOICES)]
        if patron.public_id == person_id(BY_EMAIL):
            choice = User.CheckIns.EMAIL
        if not choice or patron.is_child:
            continue
        language = consent.language_of(patron)
        with override(language):
            words, titles = consent.wording(choice), consent.titles_wording(allowed=True)
        consent.choose(patron, choice, wording=words, language=language, at=at)
        if choice == User.CheckIns.EMAIL and number % 2:
            consent.allow_titles(patron, True, wording=titles, language=language, at=at)


def _tap_got_it(check_ins, *, at):
    visits = [check_in.help_session for check_in in check_ins]
    items = Recommendation.objects.filter(
        patron__public_id=person_id(HAS_ITEMS),
        item__kind="book",
        sessionrecommendation__help_session__in=visits,
    )
    for item in items.order_by("pk"):
        planning.got_it(item, at=min(at, item.recommended_at + datetime.timedelta(days=1)))


def _review(check_ins, *, at):
    """For each helper, move the second check-in, write a text for the third, and approve the fourth."""
    of_helper = defaultdict(list)
    for check_in in check_ins:
        of_helper[check_in.help_session.staff].append(check_in)
    for helper, own in of_helper.items():
        for moved in own[1:2]:
            later = moved.due_on + datetime.timedelta(days=2)
            planning.set_day(moved, day=later, reason=REASON, by=helper, at=at)
        for edited in own[2:3]:
            reviewing.edit(edited, words=WORDS, tone="", seen=reviewing.version_of(edited), by=helper, at=at)
        for approved in own[3:4]:
            reviewing.approve({approved: reviewing.version_of(approved)}, by=helper, at=at)


def _ask(*, at):
    """Send one check-in and skip another one. Make two others due today, and answer one of the two."""
    planned = CheckIn.objects.filter(status=CheckIn.Status.PLANNED).order_by("due_on", "pk")
    by_email = planned.filter(help_session__patron__check_ins=User.CheckIns.EMAIL)
    for check_in in by_email.exclude(help_session__patron__public_id=person_id(BY_EMAIL)):
        with suppress(sending.NotNow):
            sending.send_now(check_in, by=check_in.help_session.staff, at=at)
            break
    if skipped := planned.filter(help_session__patron=None).first():
        planning.skip(skipped, by=skipped.help_session.staff, at=at)
    due = list(planned.filter(help_session__patron__check_ins=User.CheckIns.PAGES)[:2])
    for check_in in due:
        planning.ask_later(check_in.help_session, day=Library.current().today(at), at=at)
    for answered in due[1:]:
        visit = answered.help_session
        outcomes.take_outcome(visit, by=visit.patron, at=at, found=HelpSession.Found.ALL)


def _wait_for_approval(helper, *, at):
    """Plan a check-in for tomorrow that the helper has not approved."""
    of_patron = HelpSession.objects.recorded().filter(staff=helper, patron__public_id=person_id(BY_EMAIL))
    tomorrow = Library.current().today(at) + datetime.timedelta(days=1)
    planning.plan_on(of_patron.latest("happened_on"), day=tomorrow, reason=REASON_BY_EMAIL, by=helper, at=at)


def _leave_out(*, at):
    """Leave out one visit in the name of its patron, who gets check-ins by email.

    This is the visit with the latest planned check-in. If no check-in is planned, do nothing.
    """
    planned = CheckIn.objects.filter(
        status=CheckIn.Status.PLANNED, help_session__patron__check_ins=User.CheckIns.EMAIL
    )
    if check_in := planned.order_by("due_on", "pk").last():
        visit = check_in.help_session
        planning.leave_out(visit, person=visit.patron, at=at)
