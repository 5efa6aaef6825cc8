"""Set up and change the library, its branches and their opening hours.

accounts/staff/roles.py changes staff roles.
"""

import datetime
import uuid

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils.text import slugify

from accounts.patron.people import change_name, person_with_address
from accounts.staff.attendance import renew_unattended_from
from accounts.staff_actions import staff_action

from . import audit
from .models import Branch, ClosedDay, Library, OpeningHours, StaffRole

USUAL_WEEK = [(weekday, datetime.time(9), datetime.time(17)) for weekday in range(5)]


class AlreadySetUp(Exception):
    """The library has already been created. Coordinators can change it on the settings page."""


class NameTaken(Exception):
    """Another branch has this name."""


class DefaultBranch(Exception):
    """The default branch can't be taken out of use. Choose another default branch first."""


@transaction.atomic
def set_up(*, at, name, time_zone, language, branch, coordinator_email, coordinator_name):
    """Create the library, its first branch and its first coordinator. Raises AlreadySetUp."""
    if Library.objects.exists():
        raise AlreadySetUp
    first_branch = Branch.objects.create(name=branch, slug=_free_slug(branch))
    _write_hours(first_branch, USUAL_WEEK)
    library = Library.objects.create(
        pk=1, name=name, time_zone=time_zone, language=language, default_branch=first_branch
    )
    coordinator = person_with_address(coordinator_email, at=at, language=language)
    change_name(coordinator, name=coordinator_name)
    StaffRole.objects.create(user=coordinator, branch=first_branch, role=StaffRole.Role.COORDINATOR)
    audit.record("set_up", library, by=coordinator, at=at)
    return library


@staff_action
def change_library(library, *, by, at, **fields):
    """Change the library's settings. `fields` maps names of Library fields to their new values."""
    for field, value in fields.items():
        setattr(library, field, value)
    library.save(update_fields=list(fields))
    audit.record("changed_library", library, by=by, at=at)


@staff_action
def change_logo(library, *, png, by, at):
    """Replace the logo. `png` has the bytes of the new logo. If `png` is None, remove the logo."""
    old = library.logo.name
    storage = library.logo.storage
    if png:
        library.logo.save(f"{uuid.uuid4()}.png", ContentFile(png), save=False)
    else:
        library.logo = ""
    library.save(update_fields=["logo"])
    audit.record("changed_logo", library, by=by, at=at)
    if old:
        transaction.on_commit(lambda: storage.delete(old))


@staff_action
def hide_first_week(library, *, hidden, by, at):
    """Hide the list of first steps on the desk's pages, or show it again if `hidden` is False."""
    library.first_week_hidden_at = at if hidden else None
    library.save(update_fields=["first_week_hidden_at"])
    audit.record("changed_library", library, by=by, at=at)


def record_backup(*, at):
    """Record that a backup was made, so that coordinators can see when the last backup was made."""
    Library.objects.update(backed_up_at=at)


def record_tried_email(*, at):
    """Record that a test email was delivered, because the email itself is deleted later."""
    Library.objects.update(email_tried_at=at)


@staff_action
def add_branch(*, by, at, **fields):
    """Create a branch that is open from Monday to Friday, 9 to 5.

    `fields` are the branch's name, address, phone and promise_hours. Raises NameTaken.
    """
    _claim_name(fields["name"])
    branch = Branch.objects.create(slug=_free_slug(fields["name"]), **fields)
    _write_hours(branch, USUAL_WEEK)
    audit.record("added_branch", branch, by=by, at=at)
    return branch


@staff_action
def change_branch(branch, *, by, at, **fields):
    """Change fields of the branch. Its slug never changes, so that saved links keep working.

    Raises NameTaken.
    """
    if "name" in fields:
        _claim_name(fields["name"], but=branch)
    for field, value in fields.items():
        setattr(branch, field, value)
    branch.save(update_fields=list(fields))
    if "covered_by" in fields:
        renew_unattended_from(branch, at=at)
    audit.record("changed_branch", branch, by=by, at=at)


@staff_action
def change_hours(branch, *, week, by, at):
    """Replace the opening hours. `week` is a list of (weekday, opens, closes). Monday is weekday 0."""
    Branch.objects.select_for_update(no_key=True).get(pk=branch.pk)
    OpeningHours.objects.filter(branch=branch).delete()
    _write_hours(branch, week)
    renew_unattended_from(branch, at=at)
    audit.record("changed_hours", branch, by=by, at=at)


@staff_action
def add_closed_day(branch, *, day, reason, by, at):
    ClosedDay.objects.update_or_create(branch=branch, day=day, defaults={"reason": reason})
    renew_unattended_from(branch, at=at)
    audit.record("changed_closed_days", branch, by=by, at=at)


@staff_action
def remove_closed_day(branch, *, day, by, at):
    ClosedDay.objects.filter(branch=branch, day=day).delete()
    renew_unattended_from(branch, at=at)
    audit.record("changed_closed_days", branch, by=by, at=at)


@staff_action
def take_out_of_use(branch, *, by, at):
    """Stop using a branch. Raises DefaultBranch.

    The branch gets no new visits or questions, but its old visits and questions stay readable.
    """
    library = Library.objects.select_for_update().get()
    if library.default_branch_id == branch.pk:
        raise DefaultBranch
    branch.closed_at = at
    branch.save(update_fields=["closed_at"])
    audit.record("took_branch_out_of_use", branch, by=by, at=at)


@staff_action
def put_into_use(branch, *, by, at):
    branch.closed_at = None
    branch.save(update_fields=["closed_at"])
    audit.record("put_branch_into_use", branch, by=by, at=at)


def _claim_name(name, *, but=None):
    """Raise NameTaken if a branch has this name already.

    If `but` is a branch, that branch may have the name. Until the transaction ends, nobody else can add or
    rename a branch.
    """
    Library.objects.select_for_update(no_key=True).first()
    if Branch.objects.filter(name__iexact=name).exclude(pk=but and but.pk).exists():
        raise NameTaken


def _write_hours(branch, week):
    OpeningHours.objects.bulk_create(
        OpeningHours(branch=branch, weekday=weekday, opens=opens, closes=closes)
        for weekday, opens, closes in week
    )


def _free_slug(name):
    slug = first = slugify(name)[:50] or "branch"
    number = 1
    while Branch.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{first}-{number}"
    return slug
