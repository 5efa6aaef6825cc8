"""The export tables about the person, their sign-ins, and what was done with their record."""

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.utils.translation import gettext_lazy as _

from accounts.models import (
    AddressChange,
    AuditEvent,
    Consent,
    Invitation,
    InvitedRole,
    KeptDevice,
    LibraryCard,
    Passkey,
    StaffRole,
    User,
)

from .table import Table, name_of

TABLES = {
    "you": Table(
        "accounts.User",
        _("your name, email address and language"),
        lambda person, at: User.objects.filter(pk=person.pk),
        {
            "id": "public_id",
            "name": "name",
            "email": "email",
            "language": "language",
            "joined_at": "joined_at",
            "last_sign_in_at": "last_login",
            "remember": "remember",
            "remember_until": "remember_until",
            "check_ins": "check_ins",
            "check_ins_show_titles": "check_in_titles",
            "last_check_in_email_at": "check_in_sent_at",
            "child_since": "child_since",
            "noted_as_dead_at": "died_at",
        },
    ),
    "email_addresses": Table(
        "account.EmailAddress",
        _("your email addresses"),
        lambda person, at: EmailAddress.objects.filter(user=person).order_by("pk"),
        {"email": "email", "confirmed": "verified", "primary": "primary"},
    ),
    "cards": Table(
        "accounts.LibraryCard",
        _("your library card, as the library's own system describes it"),
        lambda person, at: (
            LibraryCard.objects.filter(person=person).select_related("home_branch").order_by("pk")
        ),
        {
            "number": "barcode",
            "id_in_that_system": "ils_id",
            "patron_group": "patron_group",
            "home_branch": "home_branch.name",
            "seen_at": "seen_at",
        },
    ),
    "sign_ons": Table(
        "socialaccount.SocialAccount",
        _("your campus or city account, if you sign in with it"),
        lambda person, at: SocialAccount.objects.filter(user=person).order_by("date_joined", "pk"),
        {"provider": "provider", "id_there": "uid", "connected_at": "date_joined"},
    ),
    "staff_roles": Table(
        "accounts.StaffRole",
        _("your roles as a staff member"),
        lambda person, at: StaffRole.objects.filter(user=person).select_related("branch").order_by("pk"),
        {"branch": "branch.name", "role": "role"},
    ),
    "invitations": Table(
        "accounts.Invitation",
        _("your invitations to work at a desk"),
        lambda person, at: (
            Invitation.objects.filter(email=person.email).select_related("invited_by").order_by("pk")
        ),
        {
            "id": "public_id",
            "name": "name",
            "email": "email",
            "invited_by": lambda row, at: name_of(row.invited_by),
            "sent_at": "sent_at",
        },
    ),
    "invited_roles": Table(
        "accounts.InvitedRole",
        _("the branches and roles in your invitations"),
        lambda person, at: (
            InvitedRole.objects.filter(invitation__email=person.email)
            .select_related("invitation", "branch")
            .order_by("pk")
        ),
        {"invitation": "invitation.public_id", "branch": "branch.name", "role": "role"},
    ),
    "sign_ins": Table(
        "usersessions.UserSession",
        _("the devices you are signed in on"),
        lambda person, at: UserSession.objects.filter(user=person).order_by("created_at", "pk"),
        {"began_at": "created_at", "network_address": "ip", "browser": "user_agent"},
    ),
    "kept_devices": Table(
        "accounts.KeptDevice",
        _("the devices that keep your pages for reading offline"),
        lambda person, at: (
            KeptDevice.objects.filter(sign_in__user=person)
            .select_related("sign_in")
            .order_by("added_at", "pk")
        ),
        {"browser": "sign_in.user_agent", "kept_since": "added_at", "last_reached_at": "reached_at"},
    ),
    # Leave the new address out. Somebody who can read the old mailbox could have requested this export, and
    # must not learn the new address.
    "address_changes": Table(
        "accounts.AddressChange",
        _("a change of your email address that is not complete yet"),
        lambda person, at: AddressChange.objects.filter(person=person).order_by("pk"),
        {"begun_at": "begun_at", "happens_on": "happens_on"},
    ),
    "passkeys": Table(
        "accounts.Passkey",
        _("your passkeys"),
        lambda person, at: Passkey.objects.filter(person=person).order_by("added_on", "pk"),
        {"name": "name", "added_on": "added_on", "last_used_on": "last_used_on"},
    ),
    "consents": Table(
        "accounts.Consent",
        _("the exact wording that you agreed to"),
        lambda person, at: Consent.objects.filter(person=person).order_by("given_at", "pk"),
        {
            "purpose": "purpose",
            "about": "subject",
            "wording": "wording",
            "language": "language",
            "given_at": "given_at",
        },
    ),
    "who_looked": Table(
        "accounts.AuditEvent",
        _("who opened or changed your data, and when"),
        lambda person, at: (
            AuditEvent.objects.filter(patron=person, at__lte=at).select_related("by").order_by("at", "pk")
        ),
        {
            "at": "at",
            "what": "action",
            "who": lambda row, at: name_of(row.by),
            "was_you": lambda row, at: row.by_id == row.patron_id,
            "from_where": "where",
            "kind": "subject_type",
            "id": "subject",
        },
    ),
}
