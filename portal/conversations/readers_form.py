"""The form *Find me something to read*: its questions, and the message that is made from it.

Each question is a step with its own page. A dict `answers` contains what the patron has filled in so
far: {name of the step: {name of the form field: value}}.
"""

import json

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from portal.text import TextField, parse_json

TOO_LONG = {"max_length": _("Use %(limit_value)s characters or fewer. You entered %(show_value)s.")}
OWN_WORDS = _("Or describe the mood in your own words")


class LovedStep(forms.Form):
    title = _("What have you loved lately?")
    summary = _("Recent favorites")
    words = TextField(
        label=title,
        help_text=_("A book, a series or a film. One is enough. If you can't think of any, continue."),
        max_length=1000,
        multiline=True,
        required=False,
        error_messages=TOO_LONG,
    )


class MoodStep(forms.Form):
    title = _("What are you in the mood for?")
    summary = _("Mood")
    chosen = forms.MultipleChoiceField(
        label=title,
        help_text=_("Choose as many as you like, or none."),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[
            ("comforting", _("comforting")),
            ("gripping", _("gripping")),
            ("funny", _("funny")),
            ("thoughtful", _("thoughtful")),
            ("surprising", _("surprising")),
            ("romantic", _("romantic")),
            ("dark", _("dark")),
            ("true", _("a true story")),
        ],
    )
    words = TextField(label=OWN_WORDS, max_length=80, required=False, error_messages=TOO_LONG)


class AvoidStep(forms.Form):
    title = _("What should we leave out?")
    summary = _("What to leave out")
    words = TextField(
        label=title,
        help_text=_(
            "For example, violence, sad endings or very long books. "
            "If there is nothing to leave out, continue."
        ),
        max_length=400,
        multiline=True,
        required=False,
        error_messages=TOO_LONG,
    )


class WhomStep(forms.Form):
    title = _("Who should we choose for?")
    summary = _("Reader")
    chosen = forms.ChoiceField(
        label=summary,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose who the reader is.")},
        choices=[
            ("me", _("me")),
            ("adult", _("another adult")),
            ("teenager", _("a teenager")),
            ("child_9", _("a child, 9–12")),
            ("child_6", _("a child, 6–8")),
            ("child_0", _("a child, 0–5")),
            ("together", _("to read together")),
        ],
    )
    words = TextField(
        label=_("Anything about the reader that helps us choose?"),
        max_length=120,
        required=False,
        error_messages=TOO_LONG,
    )


class FormatStep(forms.Form):
    title = _("Which format would you like?")
    summary = _("Format")
    chosen = forms.MultipleChoiceField(
        label=title,
        help_text=_("Choose as many as you like. If any format is fine, choose none."),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[
            ("paper", _("on paper")),
            ("large_print", _("large print")),
            ("audiobook", _("audiobook")),
            ("ebook", _("e-book")),
            ("comic", _("comic")),
            ("film", _("film or series")),
        ],
    )


STEPS = {"loved": LovedStep, "mood": MoodStep, "avoid": AvoidStep, "whom": WhomStep, "format": FormatStep}


def first_missing(kept):
    """Return the first step that is missing or not filled in correctly, or None.

    `kept` is what pending_questions.py stored, or None.
    """
    for step, form_class in STEPS.items():
        if kept is None or step not in kept["answers"] or not form_class(kept["answers"][step]).is_valid():
            return step
    return None


def to_hidden(answers):
    """Return the answers as the value of a hidden field, which keeps them if the browser session ends."""
    return json.dumps(answers)


def from_hidden(text):
    """Return the valid answers in the value of a hidden field."""
    try:
        answers = parse_json(text)
    except ValueError:
        return {}
    if not isinstance(answers, dict):
        return {}
    forms_of = {step: STEPS[step](answers[step]) for step in STEPS if isinstance(answers.get(step), dict)}
    return {step: form.cleaned_data for step, form in forms_of.items() if form.is_valid()}


def in_words(step, answer):
    """Return the patron's reply to one question of the form, as text in the active language, or ""."""
    chosen = answer.get("chosen") or []
    chosen = [chosen] if isinstance(chosen, str) else chosen
    choices = STEPS[step].base_fields["chosen"].choices if chosen else []
    labels = [str(label) for value, label in choices if value in chosen]
    return ", ".join(filter(None, [*labels, answer.get("words", "")]))


def all_in_words(answers):
    return {step: in_words(step, answers.get(step, {})) for step in STEPS}


def message_of(answers):
    """Return the text of a conversation's first message, made from the `answers` in the readers' form."""
    sentences = {
        "loved": _now("I recently loved: %(answer)s"),
        "mood": _now("I'm in the mood for: %(answer)s"),
        "avoid": _now("Please leave out: %(answer)s"),
        "whom": _now("Please choose for: %(answer)s"),
        "format": _now("Format: %(answer)s"),
    }
    lines = [sentences[step] % {"answer": words} for step, words in all_in_words(answers).items() if words]
    return "\n\n".join([_now("Can you find me something to read?"), *lines])


def fields_of(answers, language):
    """Return {field of ReadersForm: text in this language}."""
    with override(language):
        words = all_in_words(answers)
    return {
        "loved": words["loved"],
        "mood": words["mood"],
        "avoid": words["avoid"],
        "for_whom": words["whom"],
        "formats": words["format"],
    }
