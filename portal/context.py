from django.conf import settings
from django.middleware.csrf import get_token
from django.utils.functional import SimpleLazyObject

# The variables that shared templates check in {% if %}, but most pages don't set. Their default value is
# None. Without a value, each check would take ten times as long, because Django raises an exception for a
# missing variable.
UNSET = dict.fromkeys(
    (
        *("form_error", "is_needed", "is_news", "oob", "cleared", "counted", "taken_back", "swapped"),
        # The variables of templates/components/item_card.html, and of the templates that it includes.
        *(
            "bare",
            "choices",
            "compact",
            "full",
            "list",
            "on_item_page",
            "own",
            "remove",
            "removed",
            "restored",
            "save",
            "saved",
            "unasked",
        ),
        *("changes_count", "next_question"),
    )
)


def page(request):
    """Return the variables of every template: the library, the viewer, the demo flag and the CSRF token.

    By default, Django masks the CSRF token differently in each form, and masked tokens don't compress. With
    one masked token for all forms, a page with many small forms is a third smaller. Each response gets a new
    mask.
    """
    return UNSET | {
        "library": getattr(request, "library", None),
        "viewer": getattr(request, "viewer", None),
        "demo": settings.DEMO,
        "csrf_token": SimpleLazyObject(lambda: get_token(request)),
    }
