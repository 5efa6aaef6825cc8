"""The forms to sign in with a library card and its PIN, and to reauthenticate with the PIN alone."""

import logging
import time
from functools import partial

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.limits import TooOften
from portal.security_log import note

from ..ils.base import Blocked, Expired, IlsError, WrongCardOrPin
from ..ils.gate import GATE
from ..sign_in import library_cards
from .fields import BorrowedField, count_or_refuse

log = logging.getLogger(__name__)

# An ILS may reject an unknown card faster or slower than a wrong PIN, so the time could reveal which of the
# two was wrong. Therefore each refusal takes this many seconds, or a multiple of them.
REFUSAL_INTERVAL = 0.5


class PinForm(forms.Form):
    """A form for the PIN of `card`, which is a LibraryCard. The adapter `ils` checks the PIN.

    In a valid form, `patron` is the Patron that the ILS returned. Only a person who enters the correct PIN
    learns that the card is blocked or has expired.
    """

    pin = forms.CharField(
        label=_("PIN"),
        max_length=100,
        error_messages={"required": _("Enter your card's PIN.")},
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
            self._check(self.cleaned_data.get("card") or self.card.barcode, self.cleaned_data["pin"])
        return self.cleaned_data

    def _check(self, card, pin):
        # Many ILSs block a card after a few wrong PINs. Our own limit is lower, and it is checked before the
        # ILS gets the PIN.
        count_or_refuse(library_cards.count_attempt, self.request, card)
        began = time.monotonic()
        try:
            patron = GATE.check(
                self.ils,
                card,
                pin,
                today=self.request.library.today(),
                count=partial(library_cards.count_attempt, self.request),
            )
            if self.card and patron.ils_id != self.card.ils_id:
                raise WrongCardOrPin
        except WrongCardOrPin:
            note(self.request, "refused", what="pin")
            time.sleep(REFUSAL_INTERVAL - (time.monotonic() - began) % REFUSAL_INTERVAL)
            self.add_error(
                None,
                _(
                    "The card number and PIN don't match. Check both. "
                    "If you don't know your PIN, ask at the desk."
                ),
            )
        except TooOften as error:
            self.add_error(None, error.words)
        except Expired:
            note(self.request, "refused", what="expired_card")
            self.add_error(None, _("This card has expired. You can renew it at the desk."))
        except Blocked:
            self.refuse_blocked()
        except IlsError as error:
            log.warning("Nobody can sign in by card: %s", error)
            self.add_error(
                None,
                _(
                    "We can't check library cards right now because the library's system isn't responding. "
                    "Try again later."
                ),
            )
        else:
            self.patron = patron

    def refuse_paper_only(self):
        self.add_error(None, _("Children get help on paper at this library. Ask at any desk."))

    def refuse_blocked(self):
        note(self.request, "refused", what="blocked_card")
        self.add_error(None, _("You can't use this card right now. Ask at the desk to find out why."))


class CardForm(PinForm):
    """The form for the number and PIN of a library card."""

    card = forms.CharField(
        label=_("Library card number"),
        max_length=60,
        error_messages={"required": _("Enter your library card number.")},
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    borrowed = BorrowedField()

    field_order = ["card", "pin", "borrowed"]

    def clean_card(self):
        # Cards show the number in groups of digits, so people also type the spaces between the groups.
        return "".join(self.cleaned_data["card"].split())
