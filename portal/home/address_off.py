"""Tell people at sign-in that notices to their email address are off."""

from portal.notifications import bounces

# Pages show components/address_off.html while this key of the session has the person's address.
ADDRESS_OFF = "address_off"


def note_address_off(request, user, **_signal):
    if user.email and bounces.is_off(user):
        request.session[ADDRESS_OFF] = user.email
