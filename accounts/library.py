"""What a coordinator changes: the library, its branches and hours, and who works at which desk."""

import datetime
import uuid

from allauth.mfa.models import Authenticator
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils.text import slugify

from . import absences, audit
from .actions import end_all_sign_ins, person_with_address
from .desk_pins import remove_pin
from .models import Branch, ClosedDay, Library, OpeningHours, StaffRole, User
from .told import tell

USUAL_WEEK = [(weekday, datetime.time(9), datetime.time(17)) for weekday in range(5)]


class AlreadySetUp(Exception):
    """There is a library; what it is called and where it is are changed in the settings."""


class LastCoordinator(Exception):
    """Without them nobody could change the settings any more."""


class DefaultBranch(Exception):
    """What belongs nowhere else goes to it, so it stays in use until another takes its place."""


@transaction.atomic
def set_up(*, at, name, time_zone, language, branch, coordinator_email, coordinator_name):
    """The library, its first branch and its first coordinator. Raises AlreadySetUp."""
    if Library.objects.exists():
        raise AlreadySetUp
    first_branch = Branch.objects.create(name=branch, slug=_free_slug(branch))
    _write_hours(first_branch, USUAL_WEEK)
    library = Library.objects.create(pk=1, name=name, time_zone=time_zone, language=language, default_branch=first_branch)
    coordinator = person_with_address(coordinator_email, at=at, language=language)
    User.objects.filter(pk=coordinator.pk).update(name=coordinator_name)
    StaffRole.objects.create(user=coordinator, branch=first_branch, role=StaffRole.Role.COORDINATOR)
    audit.record("set_up", library, by=coordinator, at=at)
    return library


@transaction.atomic
def change_library(library, *, by, at, **fields):
    """`fields`: name, language, time_zone, accent_colour, catalogue_link, default_branch, closes_after_days, released_after_days,
    desk_locks_after_minutes."""
    for field, value in fields.items():
        setattr(library, field, value)
    library.save(update_fields=list(fields))
    audit.record("changed_library", library, by=by, at=at)


@transaction.atomic
def change_logo(library, *, png, by, at):
    """`png`: the bytes of a picture that portal.files has drawn, or None for no logo."""
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


@transaction.atomic
def add_branch(*, by, at, **fields):
    """`fields`: name, address, phone, promise_hours. It begins with the usual week."""
    branch = Branch.objects.create(slug=_free_slug(fields["name"]), **fields)
    _write_hours(branch, USUAL_WEEK)
    audit.record("added_branch", branch, by=by, at=at)
    return branch


@transaction.atomic
def change_branch(branch, *, by, at, **fields):
    """Its address in the browser stays: somebody may have it written down."""
    for field, value in fields.items():
        setattr(branch, field, value)
    branch.save(update_fields=list(fields))
    audit.record("changed_branch", branch, by=by, at=at)


@transaction.atomic
def change_hours(branch, *, week, by, at):
    """`week`: (weekday, opens, closes) for each stretch, Monday 0."""
    Branch.objects.select_for_update().get(pk=branch.pk)
    OpeningHours.objects.filter(branch=branch).delete()
    _write_hours(branch, week)
    audit.record("changed_hours", branch, by=by, at=at)


@transaction.atomic
def add_closed_day(branch, *, day, reason, by, at):
    ClosedDay.objects.update_or_create(branch=branch, day=day, defaults={"reason": reason})
    audit.record("changed_closed_days", branch, by=by, at=at)


@transaction.atomic
def remove_closed_day(branch, *, day, by, at):
    ClosedDay.objects.filter(branch=branch, day=day).delete()
    audit.record("changed_closed_days", branch, by=by, at=at)


@transaction.atomic
def take_out_of_use(branch, *, by, at):
    """No new session or question goes to it; what it has stays readable. Raises DefaultBranch."""
    library = Library.objects.select_for_update().get()
    if library.default_branch_id == branch.pk:
        raise DefaultBranch
    branch.closed_at = at
    branch.save(update_fields=["closed_at"])
    audit.record("took_branch_out_of_use", branch, by=by, at=at)


@transaction.atomic
def put_into_use(branch, *, by, at):
    branch.closed_at = None
    branch.save(update_fields=["closed_at"])
    audit.record("put_branch_into_use", branch, by=by, at=at)


@transaction.atomic
def give_role(*, email, name, branch, role, by, at):
    """The person of this address, known or new, works at `branch`. A name is only given to somebody who has none.

    Raises LastCoordinator where it would change the last one's role.
    """
    person = person_with_address(email, at=at)
    if name and not person.name:
        person.name = name
        person.save(update_fields=["name"])
    return change_role(person, branch=branch, role=role, by=by, at=at)


@transaction.atomic
def change_role(person, *, branch, role, by, at):
    """Raises LastCoordinator."""
    if role != StaffRole.Role.COORDINATOR:
        _leave_a_coordinator(without=StaffRole.objects.filter(user=person, branch=branch))
    StaffRole.objects.update_or_create(user=person, branch=branch, defaults={"role": role})
    audit.record("gave_role", person, by=by, patron=person, at=at)
    return person


@transaction.atomic
def remove_role(person, *, branch, by, at):
    """The person no longer works at `branch`; what they have as a patron stays. Raises LastCoordinator."""
    role = StaffRole.objects.filter(user=person, branch=branch)
    _leave_a_coordinator(without=role)
    role.delete()
    absences.stop_covering(person, at=at)
    if not StaffRole.objects.filter(user=person).exists():
        remove_pin(person, by=by, at=at)
    audit.record("removed_role", person, by=by, patron=person, at=at)


@transaction.atomic
def forget_second_factor(person, *, by, at):
    """For somebody whose phone is lost, app and passkeys: at the desk's door they set up a new one, after a new code by mail.

    Whoever has the phone may be signed in on it, behind the door: that ends too."""
    Authenticator.objects.filter(user=person).delete()
    person.passkeys.all().delete()
    remove_pin(person, by=by, at=at)
    if person != by:
        end_all_sign_ins(person)
    audit.record("removed_second_factor", person, by=by, patron=person, at=at)
    tell(person, "forgot_second_factor")


def _leave_a_coordinator(*, without):
    coordinators = StaffRole.objects.select_for_update().filter(role=StaffRole.Role.COORDINATOR)
    going = set(without.values_list("pk", flat=True))
    if going & {role.pk for role in coordinators} and not any(role.pk not in going and role.user.is_active for role in coordinators.select_related("user")):
        raise LastCoordinator


def _write_hours(branch, week):
    OpeningHours.objects.bulk_create(OpeningHours(branch=branch, weekday=weekday, opens=opens, closes=closes) for weekday, opens, closes in week)


def _free_slug(name):
    slug = first = slugify(name)[:50] or "branch"
    number = 1
    while Branch.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{first}-{number}"
    return slug
