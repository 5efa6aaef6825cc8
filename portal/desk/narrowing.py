"""The choices that narrow an item search to the current branch, or to a form, kind or language.

Forms and URLs contain the choices as one text, such as "here.flarge_print.kbook.len". In this text, f is
before a form, k before a kind, and l before a language.
"""

from typing import NamedTuple

from django.db import connection
from django.utils.text import capfirst
from django.utils.translation import gettext

from recommendations.models import Item
from recommendations.search.languages import LANGUAGES
from recommendations.search.narrowing import Narrowing

# The page offers at most this many choices that narrow a search.
MAX_CHOICES = 8
# The value 'large_print' is a part of this statement, and not a parameter. After five runs, PostgreSQL plans
# a statement once for all values of its parameters. Such a plan can't use the index of items in large print.
IN_LARGE_PRINT = "SELECT 1 FROM recommendations_item WHERE form = 'large_print' LIMIT 1"


class Choice(NamedTuple):
    """A word on the page. Staff press it to narrow the search, and press it again to undo this.

    `value` is a text with all choices that apply after staff press the word.
    """

    label: str
    code: str
    value: str
    is_chosen: bool


def read_narrowing(text, branch):
    """Return the Narrowing that `text` describes, and ignore unknown codes."""
    codes = str(text)[:80].split(".")
    kinds = [code[1:] for code in codes if code[:1] == "k" and code[1:] in Item.Kind.values]
    languages = [code[1:] for code in codes if code[:1] == "l" and code[1:] in LANGUAGES]
    forms = [code[1:] for code in codes if code[:1] == "f" and code[1:] in Item.Form.values]
    here = branch.pk if branch and "here" in codes else None
    kind, language, form = (values[0] if values else "" for values in (kinds, languages, forms))
    return Narrowing(here, kind, language, form=form)


def choices(narrowing, marks, branch, *, is_cut=False):
    """Return the Choices for a search. Those that staff have chosen come first.

    `marks` are the search marks of the found items. They say which branches, forms, kinds and languages these
    items have. Kinds are offered if the found items have several kinds, or if staff chose a kind. Languages
    are offered in the same way. If `branch` is None, no branch is offered. The form *print* comes last,
    because people seldom ask for it. If `is_cut` is true, the search found too many items to look at all of
    them. Then large print is offered if the catalog has any item in large print.
    """
    here = branch and (narrowing.branch or marks.intersection(Narrowing(branch.pk).marks))
    offered = [("here", gettext("At %(branch)s") % {"branch": branch.name}, narrowing.branch)] if here else []
    forms = _found("form", Item.Form.values, narrowing, marks)
    if is_cut and Item.Form.LARGE_PRINT not in forms and _has_large_print():
        forms.insert(0, Item.Form.LARGE_PRINT)
    kinds = _found("kind", Item.Kind.values, narrowing, marks)
    languages = _found("language", LANGUAGES, narrowing, marks)
    offered += [_form(form, narrowing) for form in forms if form != Item.Form.PRINT]
    offered += [
        (f"k{kind}", Item(kind=kind).kind_name, narrowing.kind == kind)
        for kind in kinds
        if len(kinds) > 1 or narrowing.kind
    ]
    offered += [
        (f"l{code}", str(LANGUAGES[code][0]), narrowing.language == code)
        for code in languages
        if len(languages) > 1 or narrowing.language
    ]
    offered += [
        _form(form, narrowing)
        for form in forms
        if form == Item.Form.PRINT and (len(forms) > 1 or narrowing.form)
    ]
    chosen = [code for code, _label, is_chosen in offered if is_chosen]
    found = [Choice(label, code, _pressed(code, chosen), bool(on)) for code, label, on in offered]
    return sorted(found, key=lambda choice: not choice.is_chosen)[:MAX_CHOICES]


def _found(field, values, narrowing, marks):
    """Return the `values` that occur in the found items, and the value that staff chose.

    `field` is "form", "kind" or "language".
    """
    return [
        value
        for value in values
        if value == getattr(narrowing, field) or marks.intersection(Narrowing(**{field: value}).marks)
    ]


def _form(form, narrowing):
    return f"f{form}", capfirst(str(Item.Form(form).label)), narrowing.form == form


def _has_large_print():
    """Return whether the catalog has an item in large print."""
    with connection.cursor() as cursor:
        cursor.execute(IN_LARGE_PRINT)
        return bool(cursor.fetchall())


def _pressed(code, chosen):
    """Return a text with all choices that apply after staff press the word with this code.

    `chosen` are the codes that are chosen now. A second form, kind or language replaces the first.
    """
    if code in chosen:
        return ".".join(other for other in chosen if other != code)
    return ".".join([*(other for other in chosen if other[0] != code[0]), code])
