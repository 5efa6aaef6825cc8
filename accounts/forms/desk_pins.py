"""Forms where staff enter or set their PIN for shared desk computers."""

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from ..sign_in import desk_pins
from .fields import DigitsField


class OpenByPinForm(forms.Form):
    """The form where `person` enters their PIN on the shared desk computer `desk`.

    In a valid form, `wrong` is the number of wrong PINs that were entered since the last correct PIN. In an
    invalid form, `blocked` says whether the PIN is blocked on this computer. `closed` says whether the
    computer accepts no PINs anymore.
    """

    pin = DigitsField(label=_("PIN"), error_messages={"required": _("Enter your PIN.")})

    def __init__(self, *args, desk, person, **kwargs):
        self.desk, self.person = desk, person
        self.wrong, self.blocked, self.closed = 0, False, False
        super().__init__(*args, **kwargs)
        self.fields["pin"].label = _("PIN for %(name)s") % {"name": person.display_name}
        self.fields["pin"].widget.attrs["autofocus"] = True

    def clean_pin(self):
        pin = self.cleaned_data["pin"]
        try:
            self.wrong = desk_pins.try_pin(self.desk, self.person, pin, at=timezone.now())
        except desk_pins.WrongPin as error:
            words = ngettext(
                "That PIN isn't right. You have one try left.",
                "That PIN isn't right. You have %(left)s tries left.",
                error.left,
            )
            raise forms.ValidationError(words % {"left": error.left}) from None
        except desk_pins.PinBlocked:
            self.blocked = True
            raise forms.ValidationError(
                _(
                    "Too many wrong PINs. "
                    "Use your second factor before you try your PIN on this computer again."
                )
            ) from None
        except desk_pins.DeskClosed:
            self.closed = True
            raise forms.ValidationError(_("This computer is closed.")) from None
        return pin


class SetPinForm(forms.Form):
    """The form where a staff member enters a new PIN twice."""

    pin = DigitsField(
        label=_("New PIN"),
        help_text=_("Four to six digits that are hard to guess."),
        error_messages={"required": _("Enter four to six digits.")},
    )
    pin_again = DigitsField(
        label=_("Repeat the new PIN"), error_messages={"required": _("Enter the PIN again.")}
    )

    def clean_pin(self):
        pin = self.cleaned_data["pin"]
        if not desk_pins.MIN_LENGTH <= len(pin) <= desk_pins.MAX_LENGTH:
            raise forms.ValidationError(_("Enter four to six digits."))
        if desk_pins.is_easy_to_guess(pin):
            raise forms.ValidationError(
                _("That PIN is too easy to guess. Don't use a year, repeated digits or digits in order.")
            )
        return pin

    def clean(self):
        pin, again = self.cleaned_data.get("pin"), self.cleaned_data.get("pin_again")
        if pin and again and pin != again:
            self.add_error("pin_again", _("The two PINs don't match. Enter the same PIN twice."))
        return self.cleaned_data
