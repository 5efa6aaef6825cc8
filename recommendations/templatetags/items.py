"""Template tags for items."""

from django import template

from recommendations.holdings import arrange

register = template.Library()


@register.simple_tag(takes_context=True)
def places_of(context, item, recommendation=None):
    """Return the places of an item, arranged for the person who looks at the page.

    Their own branch is `own_branch_id` of the context, at the desk. Patrons have the home branch of their
    library card. Without a card, it is the branch that recommended the item, or the library's default branch.
    """
    if len(item.places) < 2:
        return arrange(item.places, None)
    return arrange(item.places, context.get("own_branch_id") or _patrons_branch(context, recommendation))


def _patrons_branch(context, recommendation):
    viewer, library = context.get("viewer"), context.get("library")
    if viewer and viewer.home_branch_id:
        return viewer.home_branch_id
    if recommendation:
        return recommendation.branch_id
    return library.default_branch_id if library else None
