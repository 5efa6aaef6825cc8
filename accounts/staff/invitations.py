"""Somebody is invited to work at a desk: by a link, which a coordinator has mailed to them and may also hand on.

The link alone makes nobody staff: whoever opens it must have shown that the address it was sent to is theirs. Then the role is theirs, and
opens the desk once they have set up their second factor.
"""

import hashlib
import secrets

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.patron.people import change_name
from accounts.sign_in.sign_ins import end_all_sign_ins
from accounts.staff_actions import staff_action

from .. import audit
from ..models import Invitation, InvitedRole, StaffRole, User
from ..sign_in.email_addresses import proven_address
from . import roles


class AlreadyInvited(Exception):
    """The same coordinator has invited this address before, and it is still to be accepted."""


class UnknownInvitation(Exception):
    """No invitation has that token: it is wrong, has run out, or the invitation was accepted or withdrawn, or its branches are closed."""


class NotTheirs(Exception):
    """Whoever opened the link has not shown that the address it was sent to is theirs."""


@staff_action
def invite(*, name, email, language, at_branches, by, at):
    """Mail the link to somebody who is to work there. `at_branches`: {branch: role}. Returns the link, which nothing can show again.
    Raises AlreadyInvited, RoleEnded."""
    invitation = Invitation(
        email=email.strip().lower(), name=name, language=language, invited_by=by, sent_at=at
    )
    link = _new_link(invitation)
    try:
        with transaction.atomic():
            invitation.save()
    except IntegrityError as error:
        raise AlreadyInvited from error
    InvitedRole.objects.bulk_create(
        InvitedRole(invitation=invitation, branch=branch, role=role) for branch, role in at_branches.items()
    )
    _mail(invitation, link)
    audit.record("invited", invitation, by=by, at=at)
    return link


@staff_action
def send_again(invitation, *, by, at):
    """Another link, for another week; the one of before opens nothing any more. Returns it. Raises UnknownInvitation, RoleEnded."""
    invitation = Invitation.objects.select_for_update().filter(pk=invitation.pk).first()
    if invitation is None:
        raise UnknownInvitation
    link, invitation.sent_at = _new_link(invitation), at
    invitation.save(update_fields=["token_hash", "sent_at"])
    _mail(invitation, link)
    audit.record("invited_again", invitation, by=by, at=at)
    return link


@staff_action
def withdraw(invitation, *, by, at):
    """The link opens nothing any more. Raises RoleEnded."""
    if Invitation.objects.filter(pk=invitation.pk).delete()[0]:
        audit.record("withdrew_invitation", invitation, by=by, at=at)


def invitation_with(token, *, at):
    """The one whose link that is. Raises UnknownInvitation."""
    return _found(
        Invitation.objects.select_related("invited_by").prefetch_related("roles__branch"), token, at
    )


def is_theirs(invitation, person):
    return person.is_authenticated and proven_address(person) == invitation.email


@transaction.atomic
def accept(token, *, person, at, here=""):
    """The person works from now on where the link says, and nowhere as less than they did. Raises UnknownInvitation, NotTheirs.

    Whoever worked at no desk until now stays signed in in the session with the key `here` alone: elsewhere they came in as a patron, perhaps by
    a PIN of four digits, and nobody there may set up what opens the desk.
    """
    theirs = roles.lock_for_role_change(person)
    person = User.objects.select_for_update(no_key=True).get(
        pk=person.pk
    )  # whose address stays theirs from here on
    invitation = _found(Invitation.objects.select_for_update(), token, at)
    if not is_theirs(invitation, person):
        raise NotTheirs
    if not theirs.exists():
        end_all_sign_ins(person, but=here)
    if not person.name:
        change_name(person, name=invitation.name)
    coordinated = theirs.filter(role=StaffRole.Role.COORDINATOR).values("branch")
    for invited in invitation.roles.filter(branch__closed_at=None).exclude(branch__in=coordinated):
        roles.give_role(person, branch=invited.branch, role=invited.role, by=invitation.invited_by, at=at)
    audit.record("accepted_invitation", invitation, by=person, patron=person, at=at)
    invitation.delete()


def forget_old_invitations(*, at):
    """For the worker: what ran out and was not sent again."""
    Invitation.objects.filter(sent_at__lte=at - Invitation.KEPT_FOR).delete()


def _found(invitations, token, at):
    leads_somewhere = InvitedRole.objects.filter(branch__closed_at=None).values("invitation")
    found = invitations.filter(
        token_hash=_hash(token), sent_at__gt=at - Invitation.LASTS, pk__in=leads_somewhere
    ).first()
    if found is None:
        raise UnknownInvitation
    return found


def _new_link(invitation):
    token = secrets.token_hex(20)
    invitation.token_hash = _hash(token)
    return settings.BASE_URL + reverse("invitation", args=[token])


def _mail(invitation, link):
    known = User.objects.filter(email=invitation.email).values_list("language", flat=True).first()
    context = {
        "url": link,
        "days": Invitation.LASTS.days,
        "name": invitation.name,
        "by": invitation.invited_by.display_name,
        "roles": list(invitation.roles.select_related("branch")),
        "language": known or invitation.language,
    }
    get_adapter().send_mail("account/email/invitation", invitation.email, context)


def _hash(token):
    """A fingerprint is enough for what nobody can guess."""
    return hashlib.sha256(token.encode()).hexdigest()
