"""The lock that every change of a patron's lists takes."""

from accounts.models import User


def lock_lists(patron):
    """Lock the patron's record until the transaction ends, so that two changes of lists can't overlap."""
    list(User.objects.select_for_update(no_key=True).filter(pk=patron.pk).values_list("pk"))
