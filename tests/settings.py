"""The portal's settings in test mode.

They are a module because settings are read before any conftest.
"""

import os

os.environ["AFTERWORD_MODE"] = "test"

from portal.settings import *  # noqa: E402, F403 (these are all settings of the portal)

# Look for static files on request. Otherwise each test's client would first list all of them.
WHITENOISE_AUTOREFRESH = True
# A test's database does not have to survive a power failure.
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":  # noqa: F405
    DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"  # noqa: F405
else:
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"  # noqa: F405
# The sweeps see the page for card and PIN.
ILS = "demo"
# The sweeps see the pages of single sign-on. No provider answers at this address.
SSO.update(  # noqa: F405  defined by the star import
    issuer="http://127.0.0.1:9", client_id="x", client_secret="x", name="Harbour College"
)
