import uuid

from django.template import Context, Template
from django.urls import reverse
from django.utils import translation

from portal.icons import ICONS


def _render(source, **context):
    return Template("{% load i18n %}" + source).render(Context(context))


def test_fixed_text_is_rendered_in_the_active_language():
    template = Template(
        '{% load i18n %}{% translate "Save" %}, {% blocktranslate trimmed %} Lists {% endblocktranslate %}'
    )
    rendered = []
    for language in ("en", "es", "en"):
        with translation.override(language):
            rendered.append(template.render(Context()))
    assert rendered == ["Save, Lists", "Guardar, Listas", "Save, Lists"]


def test_fixed_text_can_be_stored_in_a_template_variable():
    source = '{% translate "Save" as word %}{% blocktranslate asvar other %}Lists{% endblocktranslate %}'
    assert _render(f"{source}{{{{ word }}}}, {{{{ other }}}}") == "Save, Lists"


def test_text_with_a_variable_is_translated_each_time():
    template = Template(
        "{% load i18n %}{% blocktranslate %}Hello {{ name }}{% endblocktranslate %}{% translate word %}"
    )
    for name, word in (("Ada", "Save"), ("Bo", "Lists")):
        assert template.render(Context({"name": name, "word": word})) == f"Hello {name}{word}"


def test_text_with_a_translation_context_is_translated_with_that_context():
    source = '{% translate "You:" context "before the words of a message" %}'
    with translation.override("es"):
        expected = translation.pgettext("before the words of a message", "You:")
        assert _render(source) == expected


def test_url_without_arguments_is_rendered():
    template = Template('{% load i18n %}{% url "home" %} {% url "saved" as list %}{{ list }}')
    assert [template.render(Context()) for _time in range(2)] == ["/ /lists/", "/ /lists/"]


def test_url_tag_with_a_variable_is_rendered_for_each_value(library):
    template = Template('{% url "help_session" visit %}')
    one, other = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    assert one in template.render(Context({"visit": one}))
    assert other in template.render(Context({"visit": other}))


def test_url_tag_with_a_uuid_gives_the_same_address_as_reverse():
    one, other = uuid.uuid4(), uuid.uuid4()
    template = Template(
        '{% url "help_session" visit %} {% url "help_session" visit as address %}{{ address }}'
    )
    for visit in (one, other):
        expected = reverse("help_session", args=[visit])
        assert template.render(Context({"visit": visit})) == f"{expected} {expected}"


def test_icon_is_rendered_by_name_or_by_variable():
    assert _render('{% icon "check" %}') == _render("{% icon name %}", name="check")
    assert ICONS["check"] in _render('{% icon "check" %}')


def test_key_filter_returns_the_value_of_a_key_or_none():
    source = '{% if session|key:"name" %}{{ session|key:"name" }}{% else %}none{% endif %}'
    assert _render(source, session={"name": "Ada"}) == "Ada"
    assert _render(source, session={}) == _render(source) == "none"
