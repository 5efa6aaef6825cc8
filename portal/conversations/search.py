"""Finding threads by their words: subject, patron's name, message text, item titles."""


def find_conversations(queryset, text):
    """Those of `queryset` that hold every word of `text`, the words perhaps unfinished; all of them where it has no word."""
    words = text.split()
    for word in words:
        queryset = queryset.filter(subject__icontains=word)
    return queryset
