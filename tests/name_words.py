"""Check that the rows of NameWord, in which the desk searches for people, match the names of all people."""

from accounts.models import NameWord, User
from accounts.models.names import words_and_endings


def check_name_words():
    """Fail if a person's rows of NameWord don't match the person's name."""
    expected = {
        (pk, word) for pk, name in User.objects.values_list("pk", "name") for word in words_and_endings(name)
    }
    assert set(NameWord.objects.values_list("person", "word")) == expected, (
        "Code that changes names without User.save() must call NameWord.objects.index()."
    )
