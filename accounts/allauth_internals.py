"""The private parts of allauth that the portal uses. Other modules import these parts only from here.

allauth may change private code in any release. tests/accounts/test_allauth_internals.py fails if a part has
moved or takes other arguments. pyproject.toml allows only releases that have passed this test.
"""

# emailed_codes.py uses this class to send codes to people who are already signed in. Such a code expires like
# a sign-in code, and its wrong tries are limited in the same way.
from allauth.account.internal.flows.code_verification import AbstractCodeVerificationProcess

# We sign people in by passkey, library card and PIN ourselves. allauth has no public function that signs in a
# known user and runs its stages and hooks. It also has none that records or reads the method of a sign-in.
from allauth.account.internal.flows.login import (
    get_authentication_records,
    perform_login,
    record_authentication,
)

# Our own pages ask for the sign-in code, because their limits and texts differ. allauth offers this step
# publicly only as its own views.
from allauth.account.internal.flows.login_by_code import LoginCodeVerificationProcess

# Our own pages set up the second factor. allauth offers this publicly only as its own views. These functions
# also create and delete the recovery codes together with the app, and send allauth's signals.
from allauth.mfa.recovery_codes.internal.flows import generate_recovery_codes
from allauth.mfa.totp.internal.flows import activate_totp, deactivate_totp

__all__ = [
    "AbstractCodeVerificationProcess",
    "LoginCodeVerificationProcess",
    "activate_totp",
    "deactivate_totp",
    "generate_recovery_codes",
    "get_authentication_records",
    "perform_login",
    "record_authentication",
]
