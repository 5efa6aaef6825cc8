"""Make a test browser keep a person's pages for reading offline, as if the person had chosen this."""

from allauth.usersessions.models import UserSession
from django.utils import timezone

from accounts.models import KeptDevice
from accounts.sign_in.kept_devices import KEPT_DEVICE

PHONE = "Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile"


def list_sign_in(client, person, **more):
    """Store a UserSession for the sign-in of this client. The fixture `sign_in` stores none."""
    return UserSession.objects.create(
        user=person, session_key=client.session.session_key, ip="127.0.0.1", user_agent=PHONE, **more
    )


def keep_pages(client, person, **more):
    """Keep the person's pages in the browser of this test client. The person must be signed in."""
    now = timezone.now()
    device = KeptDevice.objects.create(
        **{"sign_in": list_sign_in(client, person), "added_at": now, "reached_at": now} | more
    )
    session = client.session
    session[KEPT_DEVICE] = str(device.public_id)
    session.save()
    return device
