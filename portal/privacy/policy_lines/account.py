"""Policy lines about a person's account."""

from django.utils.translation import gettext_lazy as _

from accounts.models import AddressChange
from accounts.patron.people import UNCONFIRMED_FOR
from portal.privacy.models import Export

from .line import Group, Line

LINES = {
    "accounts.User": Line(
        _(
            "your name (a child's first name only), email address and language, if you gave them, and "
            "whether we may ask you later how visits turned out"
        ),
        _(
            "Kept until you erase your account, or for {0} if you never confirm the email address "
            "that you gave."
        ),
        _("to recognize you and write to you"),
        Group.PERSON,
        (UNCONFIRMED_FOR,),
        exported=True,
        ended_by="forget_unconfirmed_people",
    ),
    "accounts.NameWord": Line(
        "the words of a name in plain letters, for the desk's search",
        "Kept until the name is changed or the account is erased.",
        "to find the person",
        Group.PARTS,
        ends_with="accounts.User",
    ),
    "account.EmailAddress": Line(
        "an email address, and whether a code confirmed it",
        "Kept until the account is erased.",
        "to send the sign-in code",
        Group.PARTS,
        exported=True,
        ends_with="accounts.User",
    ),
    "account.EmailConfirmation": Line(
        "nothing: a code confirms addresses, so there are no rows",
        "Never made.",
        "part of the sign-in package",
        Group.LIBRARY,
    ),
    "accounts.LibraryCard": Line(
        _(
            "the number of your library card, and your patron group and home branch from the "
            "library's own system, but never the PIN"
        ),
        _("Kept until you erase your account."),
        _("to recognize you when you sign in with the card, even after you get a new card"),
        Group.PERSON,
        exported=True,
        ends_with="accounts.User",
    ),
    "socialaccount.SocialAccount": Line(
        _(
            "the ID of your campus or city account, if you sign in with it, and nothing else from "
            "that account"
        ),
        _("Kept until you disconnect that account, or erase your library account."),
        _("to recognize you when you sign in with that account"),
        Group.PERSON,
        exported=True,
        ends_with="accounts.User",
    ),
    "socialaccount.SocialApp": Line(
        "nothing: the provider is in the settings, so there are no rows",
        "Never made.",
        "part of the sign-in package",
        Group.LIBRARY,
    ),
    "socialaccount.SocialToken": Line(
        "nothing: the provider's tokens are not kept",
        "Never made.",
        "part of the sign-in package",
        Group.LIBRARY,
    ),
    "accounts.Consent": Line(
        _("the exact wording that you agreed to, and when"),
        _("Kept until you erase your account."),
        _("so that the library can show later what you agreed to"),
        Group.PERSON,
        exported=True,
        ends_with="accounts.User",
    ),
    "accounts.AddressChange": Line(
        _(
            "the new email address, if you asked to change your address and can't read email at "
            "the old address"
        ),
        _(
            "Kept for {0} after you asked for the change. Then the new address replaces the old "
            "one, unless the change was stopped."
        ),
        _("so that the owner of the old address can stop the change"),
        Group.PERSON,
        (AddressChange.WAITS,),
        exported=True,
        ended_by="change_due_addresses",
    ),
    "privacy.Export": Line(
        _("a copy of your data, if you asked for one"),
        _("Kept for {0} after the copy was made, or until a newer copy is ready."),
        _("so that you can download the copy"),
        Group.PERSON,
        (Export.KEPT_FOR,),
        ended_by="forget_old_exports",
        ends_with="accounts.User",
    ),
    "privacy.Erasure": Line(
        _(
            "a receipt for each erased account, with the date and the number of visits, messages and "
            "so on, but no name"
        ),
        _("Kept until the library deletes the receipts."),
        _("to show that the account was erased"),
        Group.PERSON,
    ),
}
