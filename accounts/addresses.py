"""The e-mail address of a person, and what it proves."""

from allauth.account.models import EmailAddress


def proven_address(person):
    """The address that is this person's for all we know; empty where somebody at the desk wrote it and no code was ever read there."""
    if not person.email or EmailAddress.objects.filter(user=person, email=person.email, verified=False).exists():
        return ""
    return person.email


def address_for_proof(person):
    """Where a code shows that it is still them; empty where something else has to. Whoever works at a desk reads it at the address by which
    a coordinator named them, proven or not: neither a PIN nor a button may set up what opens the desk."""
    return proven_address(person) or (person.is_staff and person.email) or ""
