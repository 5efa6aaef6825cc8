"""The portal's own settings in the mode for tests; a file of its own because they are read before any conftest."""

import os

os.environ["AFTERWORD_MODE"] = "test"

from portal.settings import *  # noqa: E402, F403 (the settings are the portal's, all of them)

WHITENOISE_AUTOREFRESH = True  # static files are looked for when they are asked for: otherwise each test's client would begin with a look at all of them
# A test's database need not outlive a power cut.
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":  # noqa: F405
    DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"  # noqa: F405
else:
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"  # noqa: F405
ILS = "demo"  # so that every sweep sees the page for card and PIN
# The sweeps see the pages of single sign-on. No provider answers at this address.
SSO.update(  # noqa: F405  defined by the star import
    issuer="http://127.0.0.1:9", client_id="x", client_secret="x", name="Harbour College"
)
