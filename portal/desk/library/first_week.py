"""The steps that a new library takes in its first week. The portal finds out which steps are done."""

from typing import NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import AuditEvent, Branch, ClosedDay, Invitation, StaffRole
from portal.conversations.models import ReplyTemplate
from portal.notifications.actions import TEST_EMAIL
from portal.notifications.models import Notification
from recommendations.models import Item


class Step(NamedTuple):
    """One step of the first week. `hint` says what to do. `url` leads to the page for this step."""

    name: str
    title: str
    hint: str
    url: str
    done: bool


def steps(library):
    """Return the steps of the first week, in the order of the page."""
    branches = list(Branch.objects.filter(closed_at=None))
    saved = _branches_with_saved_hours()
    unchecked = next((branch for branch in branches if str(branch.pk) not in saved), None)
    branch = unchecked or library.default_branch or next(iter(branches), None)
    branch_url = reverse("branch_settings", args=[branch.slug]) if branch else reverse("settings")
    return [
        Step(
            "hours",
            _("Opening hours"),
            _hours_hint(unchecked),
            f"{branch_url}#hours",
            bool(branches) and unchecked is None,
        ),
        Step(
            "closed-days",
            _("Closed days"),
            _("Add the next holidays, so that we don't promise an answer for those days."),
            f"{branch_url}#closed-days",
            ClosedDay.objects.filter(day__gte=_first_day(library)).exists(),
        ),
        Step(
            "colleague",
            _("First colleague"),
            _("Invite a colleague who also answers patrons."),
            reverse("invite"),
            _somebody_else_is_invited(),
        ),
        Step(
            "logo",
            _("Logo"),
            _("Add the logo that patrons know."),
            f"{reverse('library_settings')}#logo",
            bool(library.logo),
        ),
        Step(
            "catalog",
            _("Catalog"),
            _("Import your titles, so that staff find them while they record a visit."),
            reverse("first_week_catalog"),
            Item.objects.filter(retired_at=None).exists(),
        ),
        Step(
            "templates",
            _("Reply templates"),
            _("Choose from our starter templates, and edit them."),
            reverse("starter_templates"),
            ReplyTemplate.objects.exists(),
        ),
        Step(
            "email",
            _("Email"),
            _("Send yourself a test email."),
            reverse("first_week_email"),
            _email_works(library),
        ),
        Step(
            "check-ins",
            _("Check-ins"),
            _("Decide whether you ask patrons later how their visits turned out."),
            reverse("check_in_settings"),
            library.check_ins or AuditEvent.objects.filter(action="changed_check_ins").exists(),
        ),
        Step(
            "backup",
            _("Backup"),
            _("Make a backup, and try to restore it on another machine."),
            reverse("first_week_backup"),
            library.backed_up_at is not None,
        ),
    ]


def _hours_hint(unchecked):
    """Return the hint for step "hours". `unchecked` is a branch whose hours nobody has saved, or None."""
    if unchecked is None:
        return _("The hours of each branch are checked. We promise answers within these hours.")
    return _("Check the hours of %(branch)s, and save them. We promise answers within these hours.") % {
        "branch": unchecked
    }


def _first_day(library):
    """Return the day when the portal was set up, or today if the audit trail no longer contains that day."""
    set_up = AuditEvent.objects.filter(action="set_up").order_by("-at").first()
    return set_up.at.astimezone(library.zone).date() if set_up else library.today()


def _branches_with_saved_hours():
    """Return the primary keys, as texts, of the branches whose hours a coordinator has saved."""
    saved = AuditEvent.objects.filter(action="changed_hours", subject_type="branch")
    return set(saved.values_list("subject", flat=True))


def _somebody_else_is_invited():
    active = StaffRole.objects.filter(user__is_active=True).values("user").distinct()
    return active.count() > 1 or Invitation.objects.exists()


def _email_works(library):
    """Return whether a test email was delivered and no test email has failed since then."""
    if library.email_tried_at is None:
        return False
    failed = Notification.objects.filter(kind=TEST_EMAIL, created_at__gte=library.email_tried_at)
    return not failed.exclude(last_error="").exists()


def latest_test_email(person):
    """Return the newest test email to this coordinator, or None."""
    return Notification.objects.filter(recipient=person, kind=TEST_EMAIL).order_by("-created_at").first()
