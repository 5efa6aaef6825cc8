"""The e-mail address of a person, and what it proves."""

from allauth.account.models import EmailAddress


def proven_address(person):
    """The address that is this person's for all we know; empty where somebody at the desk wrote it and no code was ever read there."""
    if not person.email or EmailAddress.objects.filter(user=person, email=person.email, verified=False).exists():
        return ""
    return person.email
