"""The page where coordinators manage topics. Each visit or conversation can have a topic."""

from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.sign_in.access import coordinator_only
from portal.checkins.changing_rules import set_topic_rule
from portal.desk.library.forms.topics import TopicForm
from recommendations import topics as topic_actions
from recommendations.models import Topic


@coordinator_only
def topics(request):
    """List the topics, and add a new topic.

    If the request contains the primary key of a `topic`, change, retire or restore this topic instead. If
    `next` is "check-ins", saving leads to the settings of check-ins.
    """
    number = request.POST.get("topic") or request.GET.get("topic") or ""
    topic = Topic.objects.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 10 else None
    following = request.POST.get("next") or request.GET.get("next", "")
    form = TopicForm(request.POST or None, topic=topic)
    if topic and "retire" in request.POST:
        topic_actions.retire_topic(topic, at=timezone.now())
    elif topic and "bring_back" in request.POST:
        topic_actions.bring_back_topic(topic)
    elif not (form.is_valid() and _save_topic(form, topic, by=request.user)):
        return render(
            request,
            "desk/library/topics.html",
            {
                "form": form,
                "topic": topic,
                "topics": Topic.objects.prefetch_related("names"),
                "next": following,
            },
        )
    messages.success(request, _("Topics saved."))
    return redirect("check_in_settings" if following == "check-ins" else "topics")


@transaction.atomic
def _save_topic(form, topic, *, by):
    """Save the topic with its rule and return True, or add an error to the form."""
    try:
        if topic:
            topic_actions.change_topic(topic, **form.typed)
        else:
            topic = topic_actions.add_topic(**form.typed)
    except topic_actions.NameTaken:
        form.add_error(
            "name", _("Another topic has this name, perhaps a retired one. Choose a different name.")
        )
        return False
    set_topic_rule(topic, form.rule("topic"), by=by, at=timezone.now())
    return True
