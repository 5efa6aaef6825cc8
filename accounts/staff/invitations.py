"""Invite people to work at a desk.

A coordinator sends a link by email, and can also pass on the link in person. The link alone doesn't make
anyone staff, because the person must also have confirmed the address that the link was sent to. When the
person accepts, they get the role. They can open the desk after they have set up a second factor.
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
from portal.deadlines import compares_deadlines

from .. import audit
from ..models import Invitation, InvitedRole, StaffRole, User
from ..sign_in.email_addresses import confirmed_address
from . import roles


class AlreadyInvited(Exception):
    """This coordinator has already invited this address."""


class UnknownInvitation(Exception):
    """No invitation with this token can be accepted.

    The invitation may have expired, or it was accepted or withdrawn. Or all its branches are out of use.
    """


class NotTheirs(Exception):
    """The person has not confirmed the address that the invitation was sent to."""


@staff_action
def invite(*, name, email, language, at_branches, by, at):
    """Email the person a link for accepting roles. `at_branches` is {branch: role}.

    Return the link, which can't be shown again later. Raises AlreadyInvited and RoleEnded.
    """
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
    _send_email(invitation, link)
    audit.record("invited", invitation, by=by, at=at)
    return link


@staff_action
def send_again(invitation, *, by, at):
    """Email a new link that is valid for another week, and return the link. The old link stops working.

    Raises UnknownInvitation and RoleEnded.
    """
    invitation = Invitation.objects.select_for_update().filter(pk=invitation.pk).first()
    if invitation is None:
        raise UnknownInvitation
    link, invitation.sent_at = _new_link(invitation), at
    invitation.save(update_fields=["token_hash", "sent_at"])
    _send_email(invitation, link)
    audit.record("invited_again", invitation, by=by, at=at)
    return link


@staff_action
def withdraw(invitation, *, by, at):
    """Delete the invitation, so that its link stops working. Raises RoleEnded."""
    if Invitation.objects.filter(pk=invitation.pk).delete()[0]:
        audit.record("withdrew_invitation", invitation, by=by, at=at)


def invitation_with(token, *, at):
    """Return the invitation with this token in its link. Raises UnknownInvitation."""
    return _find(Invitation.objects.select_related("invited_by").prefetch_related("roles__branch"), token, at)


def is_theirs(invitation, person):
    """Return whether the person is signed in and has confirmed the invited address."""
    return person.is_authenticated and confirmed_address(person) == invitation.email


@compares_deadlines
@transaction.atomic
def accept(token, *, person, at, now, here=""):
    """Give the person the invited roles. Raises UnknownInvitation and NotTheirs.

    A person who already coordinates a branch remains its coordinator.

    If this is the person's first role, every sign-in ends except the one whose session has the key `here`.
    The person made the other sign-ins as a patron, perhaps with a four-digit PIN. Such a sign-in is too weak
    to set up a second factor.
    """
    own_roles = roles.lock_for_role_change(person)
    # Lock the person too, so that their address can't change before this transaction ends.
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    invitation = _find(Invitation.objects.select_for_update(), token, now())
    if not is_theirs(invitation, person):
        raise NotTheirs
    if not own_roles.exists():
        end_all_sign_ins(person, keep=here)
    if not person.name:
        change_name(person, name=invitation.name)
    coordinated = own_roles.filter(role=StaffRole.Role.COORDINATOR).values("branch")
    for invited in invitation.roles.filter(branch__closed_at=None).exclude(branch__in=coordinated):
        given = {"branch": invited.branch, "role": invited.role, "by": invitation.invited_by}
        roles.save_role(person, own_roles, **given, at=at)
    audit.record("accepted_invitation", invitation, by=person, patron=person, at=at)
    invitation.delete()


def forget_old_invitations(*, at):
    """Delete invitations that are older than KEPT_FOR. The worker calls this function."""
    Invitation.objects.filter(sent_at__lte=at - Invitation.KEPT_FOR).delete()


def _find(invitations, token, at):
    with_open_branch = InvitedRole.objects.filter(branch__closed_at=None).values("invitation")
    invitation = invitations.filter(
        token_hash=_hash(token), sent_at__gt=at - Invitation.LASTS, pk__in=with_open_branch
    ).first()
    if invitation is None:
        raise UnknownInvitation
    return invitation


def _new_link(invitation):
    token = secrets.token_hex(20)
    invitation.token_hash = _hash(token)
    return settings.BASE_URL + reverse("invitation", args=[token])


def _send_email(invitation, link):
    own_language = User.objects.filter(email=invitation.email).values_list("language", flat=True).first()
    context = {
        "url": link,
        "days": Invitation.LASTS.days,
        "name": invitation.name,
        "by": invitation.invited_by.display_name,
        "roles": list(invitation.roles.select_related("branch")),
        "language": own_language or invitation.language,
    }
    get_adapter().send_mail("account/email/invitation", invitation.email, context)


def _hash(token):
    """Return the SHA-256 of a token. The hash needs no salt, because the token is random."""
    return hashlib.sha256(token.encode()).hexdigest()
