"""Policy lines about a person's account."""

from django.utils.translation import gettext_lazy as _

from accounts.models import AddressChange
from accounts.patron.people import UNCONFIRMED_FOR
from portal.privacy.models import Export

from .line import Group, Line

LINES = {
    "accounts.User": Line(
        _("your name, email address and language, if you gave them; a child's first name only"),
        _("you erase your account; {0} if no code confirmed the email address"),
        _("to recognize you and write to you"),
        Group.PERSON,
        (UNCONFIRMED_FOR,),
        exported=True,
        ended_by="forget_unconfirmed_people",
    ),
    "account.EmailAddress": Line(
        "an email address, and whether a code confirmed it",
        "the account is erased",
        "to send the sign-in code",
        Group.PARTS,
        exported=True,
        ends_with="accounts.User",
    ),
    "account.EmailConfirmation": Line(
        "nothing: a code confirms addresses, so there are no rows",
        "never made",
        "part of the sign-in package",
        Group.LIBRARY,
    ),
    "accounts.LibraryCard": Line(
        _(
            "the number of your library card, and your patron group and home branch from the library's own "
            "system; never the PIN"
        ),
        _("you erase your account"),
        _("to recognize you when you sign in with the card, even after it is replaced"),
        Group.PERSON,
        exported=True,
        ends_with="accounts.User",
    ),
    "socialaccount.SocialAccount": Line(
        _("the id of your campus or city account, if you sign in with it; nothing else about you from there"),
        _("you disconnect it or erase your account"),
        _("to recognize you when you sign in with it"),
        Group.PERSON,
        exported=True,
        ends_with="accounts.User",
    ),
    "socialaccount.SocialApp": Line(
        "nothing: the provider is in the settings, so there are no rows",
        "never made",
        "part of the sign-in package",
        Group.LIBRARY,
    ),
    "socialaccount.SocialToken": Line(
        "nothing: tokens of the provider are not kept",
        "never made",
        "part of the sign-in package",
        Group.LIBRARY,
    ),
    "accounts.Consent": Line(
        _("what you agreed to, in the words you read, and when"),
        _("you erase your account"),
        _("to prove what you chose"),
        Group.PERSON,
        exported=True,
        ends_with="accounts.User",
    ),
    "accounts.AddressChange": Line(
        _("the new email address, if you asked for a change and can't read the old one"),
        _("{0} after you asked; it becomes your address then, unless the change is stopped before"),
        _("so that the owner of the old address can stop a change that you didn't ask for"),
        Group.PERSON,
        (AddressChange.WAITS,),
        exported=True,
        ended_by="change_due_addresses",
    ),
    "privacy.Export": Line(
        _("a copy of your data, if you asked for one"),
        _("{0} after it was made, or until there is a newer one"),
        _("so that you can download it"),
        Group.PERSON,
        (Export.KEPT_FOR,),
        ended_by="forget_old_exports",
        ends_with="accounts.User",
    ),
    "privacy.Erasure": Line(
        _("a receipt for each erased account: the date and the number of rows of each kind, without a name"),
        _("the library deletes its records"),
        _("to show that it was done"),
        Group.PERSON,
    ),
}
