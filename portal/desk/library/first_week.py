"""The steps of a new library's first week. The portal finds out by itself which steps are done."""

from typing import NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import AuditEvent, Branch, ClosedDay, Invitation, StaffRole
from portal.conversations.models import ReplyTemplate
from portal.notifications.models import Notification
from recommendations.models import Item

TEST_EMAIL = "desk/test_email"


class Step(NamedTuple):
    """One step. `hint` says what to do. `url` is the page where coordinators do it."""

    name: str
    title: str
    hint: str
    url: str
    done: bool


def steps(library):
    """Return the steps in the order in which a library takes them."""
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
            _("Add the next holidays. We promise no answer on a closed day."),
            f"{branch_url}#closed-days",
            ClosedDay.objects.filter(day__gte=library.today()).exists(),
        ),
        Step(
            "colleague",
            _("First colleague"),
            _("Invite a person who answers with you."),
            reverse("invite"),
            _somebody_else_is_invited(),
        ),
        Step(
            "logo",
            _("Logo"),
            _("Add the picture that patrons know."),
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
            _email_works(),
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
    """Return what to do about opening hours. `unchecked` is the next branch to check, or None."""
    if unchecked is None:
        return _("The hours of each branch are checked. We promise answers within these hours.")
    return _("Check the hours of %(branch)s, and save them. We promise answers within these hours.") % {
        "branch": unchecked
    }


def _branches_with_saved_hours():
    """Return the ids of the branches whose hours a coordinator has saved, as strings."""
    saved = AuditEvent.objects.filter(action="changed_hours", subject_type="branch")
    return set(saved.values_list("subject", flat=True))


def _somebody_else_is_invited():
    active = StaffRole.objects.filter(user__is_active=True).values("user").distinct()
    return active.count() > 1 or Invitation.objects.exists()


def _email_works():
    """Return whether a test email was delivered, and none failed since then."""
    sent = Notification.objects.filter(kind=TEST_EMAIL)
    delivered = sent.filter(state=Notification.State.DELIVERED)
    failed = sent.exclude(last_error="").order_by("-created_at").first()
    if failed:
        delivered = delivered.filter(delivered_at__gt=failed.created_at)
    return delivered.exists()


def latest_test_email(person):
    """Return the newest test email to this coordinator, or None."""
    return Notification.objects.filter(recipient=person, kind=TEST_EMAIL).order_by("-created_at").first()
