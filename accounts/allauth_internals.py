"""The private parts of allauth that the portal uses. Other modules import these parts only from here.

allauth may change private code in any release. tests/accounts/test_allauth_internals.py fails if a part has
moved or its arguments have changed. pyproject.toml allows only releases that have passed this test.
"""

# emailed_codes.py uses this class to send codes to people who are already signed in. These codes and sign-in
# codes expire after the same time, and allow the same number of wrong tries.
from allauth.account.internal.flows.code_verification import AbstractCodeVerificationProcess

# Our own code signs people in by passkey, by library card, by PIN and by single sign-on. allauth has no
# public function that signs in a known user and runs allauth's stages and hooks. It also has no public
# function that records or reads the method of a sign-in.
from allauth.account.internal.flows.login import (
    get_authentication_records,
    perform_login,
    record_authentication,
)

# Our own pages ask for the sign-in code, because allauth's views have other limits and texts. allauth has no
# public function for this step.
from allauth.account.internal.flows.login_by_code import LoginCodeVerificationProcess

# Our own pages set up the second factor. allauth has public views for this, but no public functions. The
# three functions below also replace or delete the recovery codes, and send allauth's signals.
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
