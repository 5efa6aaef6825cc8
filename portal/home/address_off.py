"""Tell people at sign-in that the library has stopped sending notices to their email address."""

from portal.notifications import bounces

# request.session[ADDRESS_OFF] is the person's email address while notices to this address are turned off.
# Pages then show components/address_off.html.
ADDRESS_OFF = "address_off"


def note_address_off(request, user, **_signal):
    if user.email and bounces.is_off(user):
        request.session[ADDRESS_OFF] = user.email
