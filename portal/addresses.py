"""Clean email addresses, so that the portal stores each mailbox in only one spelling.

Rate limits are counted for each address. If one mailbox had many spellings, a stranger could send many codes
to it.
"""

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

INVALID = _("Enter the full email address, such as ana@example.org.")


def clean_address(text):
    """Return the address in lowercase, with its domain in the spelling to which IDNA normalizes it.

    Raises ValidationError if the text isn't an address, or if the part before the @ has one of these:
    - quotes, because "ana"@example.org is the mailbox ana@example.org
    - an encoded word such as =?utf-8?q?ana?=, because Python decodes it when it sends the email
    - characters outside ASCII
    """
    text = text.strip().lower()
    try:
        validate_email(text)
        local, domain = text.rsplit("@", 1)
        # The IDNA encoding removes invisible characters, and turns full-width letters into plain ones.
        domain = domain.encode("idna").decode("idna")
    except (ValidationError, UnicodeError):
        raise ValidationError(INVALID, code="invalid") from None
    if local.startswith('"') or "=?" in local or not local.isascii():
        raise ValidationError(INVALID, code="invalid")
    return f"{local}@{domain}"


class AddressField(forms.EmailField):
    """A field for an email address, which `clean_address` cleans."""

    def __init__(self, *, error_messages=None, **kwargs):
        super().__init__(
            max_length=254, error_messages=(error_messages or {}) | {"invalid": INVALID}, **kwargs
        )

    def to_python(self, value):
        value = super().to_python(value)
        return value if value in self.empty_values else clean_address(value)
