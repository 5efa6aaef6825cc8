import logging
import time
import unicodedata

from allauth.account.adapter import get_adapter
from allauth.core import context
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.base.forms import ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from django import forms
from django.core.cache import cache
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from portal.limits import TooOften
from portal.security_log import note
from portal.text import TextField

from .ils.base import Blocked, Expired, IlsError, WrongCardOrPin
from .patron.children import first_name
from .sign_in import desk_pins, library_cards, passkeys
from .sign_in.access import origin
from .sign_in.emailed_codes import count_code, count_try

log = logging.getLogger(__name__)

REFUSALS_EVERY = (
    0.5  # seconds: an unknown card and a wrong PIN take an ILS different times, and are told after the same
)
TOTP_CODE_LIVES = 120  # seconds; longer than any clock accepts a code, so that none works twice

CODE_ATTRS = {
    "inputmode": "numeric",
    "autocomplete": "one-time-code",
    "autocapitalize": "none",
    "spellcheck": "false",
}


def _count(count, *what):
    """Said beside the field where it was done too often, with the time from which it can be done again."""
    try:
        count(*what)
    except TooOften as error:
        raise forms.ValidationError(error.words) from None


def digits(text):
    """The digits of what was typed or pasted, in any script, without spaces and dashes."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


class BorrowedField(forms.BooleanField):
    def __init__(self):
        super().__init__(
            required=False,
            label=_("This isn't my phone"),
            help_text=_(
                "You are signed out when the browser is closed, after two hours at the latest, and nothing of yours stays on it."
            ),
        )


class BorrowedForm(forms.Form):
    borrowed = BorrowedField()


class AddressForm(forms.Form):
    email = forms.EmailField(
        label=_("Your e-mail address"),
        max_length=254,
        error_messages={
            "required": _("Write your e-mail address."),
            "invalid": _("Write the whole e-mail address, such as ana@example.org."),
        },
        widget=forms.EmailInput(
            attrs={
                "autocomplete": "email",
                "inputmode": "email",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )

    def __init__(self, *args, request, **kwargs):
        self.request = request
        super().__init__(*args, **kwargs)

    def clean_email(self):
        email = self.cleaned_data["email"].lower()
        _count(count_code, self.request, email)
        return email


class SignInForm(AddressForm):
    borrowed = BorrowedField()


class PinForm(forms.Form):
    """The PIN of the card with the number `card`, as `ils` knows it. It is never shown again, whatever else was wrong.

    Valid, it has the `patron`. Why it isn't is said no closer than is safe: blocked and expired only to whoever has the right PIN.
    """

    pin = forms.CharField(
        label=_("PIN"),
        max_length=100,
        error_messages={"required": _("Write the PIN of your card.")},
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args, request, ils, card=None, **kwargs):
        self.request, self.ils, self.card, self.patron = request, ils, card, None
        super().__init__(*args, **kwargs)
        for name, has_letters in (("card", ils.card_has_letters), ("pin", ils.pin_has_letters)):
            if name in self.fields and not has_letters:
                self.fields[name].widget.attrs["inputmode"] = "numeric"

    def clean(self):
        if not self.errors:
            self._ask(self.cleaned_data.get("card") or self.card.barcode, self.cleaned_data["pin"])
        return self.cleaned_data

    def _ask(self, card, pin):
        """Counted before the ILS is asked: many lock a card after a few wrong PINs."""
        _count(library_cards.count_try, self.request, card)
        began = time.monotonic()
        try:
            patron = self.ils.check(card, pin, today=self.request.library.today())
            if self.card and patron.ils_id != self.card.ils_id:
                raise WrongCardOrPin
        except WrongCardOrPin:
            note(self.request, "refused", what="pin")
            time.sleep(REFUSALS_EVERY - (time.monotonic() - began) % REFUSALS_EVERY)
            self.add_error(
                None,
                _(
                    "Card number and PIN don't belong together. Look at both once more. If you don't know your PIN, the desk can help."
                ),
            )
        except Expired:
            note(self.request, "refused", what="expired_card")
            self.add_error(None, _("This card has run out. The desk renews it."))
        except Blocked:
            self.refuse_blocked()
        except IlsError as error:
            log.warning("Nobody can sign in by card: %s", error)
            self.add_error(
                None,
                _(
                    "Cards can't be checked at the moment: the library's own system does not answer as it should. Try again later."
                ),
            )
        else:
            self.patron = patron

    def refuse_paper_only(self):
        self.add_error(None, _("Children get their help on paper at this library. Any desk helps you."))

    def refuse_blocked(self):
        note(self.request, "refused", what="blocked_card")
        self.add_error(None, _("This card can't be used now. The desk can tell you why."))


class CardForm(PinForm):
    card = forms.CharField(
        label=_("Library card number"),
        max_length=60,
        error_messages={"required": _("Write the number on your library card.")},
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    borrowed = BorrowedField()

    field_order = ["card", "pin", "borrowed"]

    def clean_card(self):
        return "".join(self.cleaned_data["card"].split())  # printed in groups


PIN_ATTRS = CODE_ATTRS  # which no browser offers to keep


class DigitsField(forms.CharField):
    """A PIN of digits in any script, spaces and dashes left out; it is never shown again."""

    def __init__(self, **kwargs):
        super().__init__(max_length=40, widget=forms.PasswordInput(attrs=PIN_ATTRS), **kwargs)

    def to_python(self, value):
        return digits(super().to_python(value))


class OpenByPinForm(forms.Form):
    """The PIN of `person`, on the shared desk computer `desk`. Valid, it has how many `wrong` ones came before."""

    pin = DigitsField(label=_("PIN"), error_messages={"required": _("Write your PIN.")})

    def __init__(self, *args, desk, person, **kwargs):
        self.desk, self.person, self.wrong, self.shut, self.closed = desk, person, 0, False, False
        super().__init__(*args, **kwargs)
        self.fields["pin"].label = _("PIN of %(name)s") % {"name": person.display_name}
        if not self.is_bound:
            self.fields["pin"].widget.attrs["autofocus"] = True

    def clean_pin(self):
        try:
            self.wrong = desk_pins.try_pin(
                self.desk, self.person, self.cleaned_data["pin"], at=timezone.now()
            )
        except desk_pins.WrongPin as error:
            words = ngettext(
                "That is not the PIN. You can try once more.",
                "That is not the PIN. You can try %(left)s times more.",
                error.left,
            )
            raise forms.ValidationError(words % {"left": error.left}) from None
        except desk_pins.PinShut:
            self.shut = True
            raise forms.ValidationError(
                _(
                    "This PIN was wrong too often. On this computer it works again once you have shown your second factor."
                )
            ) from None
        except desk_pins.DeskClosed:
            self.closed = True
            raise forms.ValidationError(_("This computer is closed.")) from None
        return self.cleaned_data["pin"]


class SetPinForm(forms.Form):
    pin = DigitsField(
        label=_("New PIN"),
        help_text=_("Four to six digits that nobody would try first."),
        error_messages={"required": _("Write four to six digits.")},
    )
    pin_again = DigitsField(
        label=_("The same once more"), error_messages={"required": _("Write the PIN once more.")}
    )

    def clean_pin(self):
        pin = self.cleaned_data["pin"]
        if not desk_pins.SHORTEST <= len(pin) <= desk_pins.LONGEST:
            raise forms.ValidationError(_("Write four to six digits."))
        if desk_pins.is_easy_to_guess(pin):
            raise forms.ValidationError(
                _("Somebody would try that one soon. Choose digits without an order, and no year.")
            )
        return pin

    def clean(self):
        pin, again = self.cleaned_data.get("pin"), self.cleaned_data.get("pin_again")
        if pin and again and pin != again:
            self.add_error("pin_again", _("That is another PIN than the one above."))
        return self.cleaned_data


class CodeForm(forms.Form):
    """The mailed code of `process`."""

    code = forms.CharField(
        label=_("The code from the mail"),
        max_length=40,
        error_messages={"required": _("Write the six digits from the mail.")},
        widget=forms.TextInput(attrs=CODE_ATTRS),
    )

    def __init__(self, *args, request, process, **kwargs):
        self.request, self.process = request, process
        super().__init__(*args, **kwargs)

    def clean_code(self):
        _count(count_try, self.request, self.process)
        code = digits(self.cleaned_data["code"])
        # The process has no code if the address belongs to no one who may sign in.
        if not self.process.code or not constant_time_compare(code, self.process.code):
            note(self.request, "refused", what="code")
            raise get_adapter().validation_error("incorrect_code")
        return code


class NameForm(forms.Form):
    name = TextField(
        label=_("Name"),
        max_length=80,
        required=False,
        help_text=_("What the library calls you when it answers. Any name you like, or none."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )

    def __init__(self, *args, is_child=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.is_child = is_child
        if is_child:
            self.fields["name"].help_text = _("Your first name or a nickname, one word. Not your last name.")

    def clean_name(self):
        name = self.cleaned_data["name"]
        if self.is_child and name != first_name(name):
            raise forms.ValidationError(
                _("Write one word: your first name or a nickname. The library does not keep your last name.")
            )
        return name


NOT_ACCEPTED = _("That passkey was not accepted. Try it once more, or use a code instead.")


class CredentialField(forms.JSONField):
    """What the browser says of a passkey; static/js/passkeys.js fills it in."""

    def __init__(self):
        super().__init__(
            widget=forms.HiddenInput, error_messages={"required": NOT_ACCEPTED, "invalid": NOT_ACCEPTED}
        )


class PasskeyForm(forms.Form):
    """A passkey that is shown; once the form is valid, `shown` is which, of those `among` which it may be."""

    credential = CredentialField()

    def __init__(self, *args, request, among, **kwargs):
        self.request, self.among = request, among
        super().__init__(*args, **kwargs)

    def clean_credential(self):
        try:
            self.shown = passkeys.read_shown(
                self.request.session,
                self.cleaned_data["credential"],
                among=self.among,
                origin=origin(self.request),
            )
        except passkeys.NotAccepted:
            note(self.request, "refused", what="passkey")
            raise forms.ValidationError(NOT_ACCEPTED) from None


class PasskeyNameForm(forms.Form):
    name = TextField(
        label=_("Name of the passkey"),
        max_length=80,
        error_messages={"required": _("Write a name by which you know it.")},
        help_text=_("Where it is kept, so that you know which one to remove if a device is lost."),
    )


class AddPasskeyForm(PasskeyNameForm):
    """A passkey that a device has made; once the form is valid, `new` is what to keep. It is there already, so a missing name refuses nothing."""

    credential = CredentialField()

    def __init__(self, *args, request, **kwargs):
        self.request = request
        super().__init__(*args, **kwargs)
        self.fields["name"].required = False

    def clean_credential(self):
        try:
            self.new = passkeys.read_new(
                self.request.session,
                self.cleaned_data["credential"],
                person=self.request.user,
                origin=origin(self.request),
            )
        except passkeys.NotAccepted:
            note(self.request, "refused", what="new_passkey")
            raise forms.ValidationError(NOT_ACCEPTED) from None


class SecondFactorForm(ReauthenticateForm):
    """A code of the authenticator app, or one of the recovery codes."""

    code = forms.CharField(
        label=_("Code from your authenticator app"),
        help_text=_("Six digits, new every half minute. Without your phone, use one of your recovery codes."),
        max_length=40,
        error_messages={"required": _("Write the code that the app shows.")},
        widget=forms.TextInput(attrs=CODE_ATTRS),
    )

    def clean_code(self):
        self.cleaned_data["code"] = digits(self.cleaned_data["code"])
        try:
            code = super().clean_code()
            use_up(self.user, code)
        except forms.ValidationError:
            note(context.request, "refused", what="second_factor")
            raise
        return code


class SetUpAppForm(ActivateTOTPForm):
    """The first code of a new authenticator app."""

    code = forms.CharField(
        label=_("Code that the app now shows"),
        max_length=40,
        error_messages={"required": _("Write the code that the app shows.")},
        widget=forms.TextInput(attrs=CODE_ATTRS),
    )

    def clean_code(self):
        self.cleaned_data["code"] = digits(self.cleaned_data["code"])
        code = super().clean_code()
        use_up(self.user, code)
        return code


def use_up(user, code):
    """allauth remembers a used code for one period; with a tolerant clock it would live for three."""
    if not cache.add(f"second-factor-used:{user.pk}:{code}", True, TOTP_CODE_LIVES):
        raise get_mfa_adapter().validation_error("incorrect_code")
