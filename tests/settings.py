"""Set up the portal's settings for tests.

The test settings need their own module, because pytest-django reads settings before any conftest.py.
"""

import os

os.environ["AFTERWORD_MODE"] = "test"

from portal.settings import *  # noqa: E402, F403 (these are all settings of the portal)

# WhiteNoise looks for a static file only when it is requested. By default, it would list all files for each
# test client.
WHITENOISE_AUTOREFRESH = True
# A test's database does not have to survive a power failure.
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":  # noqa: F405
    DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"  # noqa: F405
else:
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"  # noqa: F405
# Hashing a PIN as in production takes a quarter of a second.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each response of the sign-in page takes this long. The time is shorter than in production, because many
# tests sign in.
SIGN_IN_SECONDS = 0.04
# Some tests open all pages. The page for card and PIN exists only if an ILS is set.
ILS = "demo"
# The pages of single sign-on exist only if a provider is set. No provider runs at this address.
SSO.update(  # noqa: F405  defined by the star import
    issuer="http://127.0.0.1:9", client_id="x", client_secret="x", name="Harbour College"
)
