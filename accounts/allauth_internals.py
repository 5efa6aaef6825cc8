"""The parts of allauth that have no public name. No other module of ours imports them.

allauth may change them in any release. tests/accounts/test_allauth_internals.py fails if one of them has
moved or takes other arguments, and pyproject.toml allows no release that this test has not seen.
"""

# A code for someone who is signed in already (emailed_codes.py) expires and counts tries as a sign-in code
# does.
from allauth.account.internal.flows.code_verification import AbstractCodeVerificationProcess

# Passkeys, library cards and PINs are sign-ins of our own. allauth has no public function that signs in a
# known user with its stages and hooks, or that records the method of a sign-in and reads it again.
from allauth.account.internal.flows.login import (
    get_authentication_records,
    perform_login,
    record_authentication,
)

# Our pages ask for the sign-in code, with our own limits and texts. allauth's public way is its own views.
from allauth.account.internal.flows.login_by_code import LoginCodeVerificationProcess

# Our pages set up the second factor. allauth's public way is its own views. These functions also keep the
# recovery codes in step with the app and send allauth's signals.
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
