"""The settings of check-ins: whether the library asks how visits turned out, and when."""

from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import library as actions
from accounts.models import Branch
from accounts.sign_in.access import coordinator_only
from portal.checkins.changing_rules import set_type_rules
from portal.desk.library.forms.check_ins import CheckInsForm
from portal.notifications.delivery import sends_email
from recommendations.models import Topic, topic_names
from recommendations.topics import private_but_not_marked


@coordinator_only
def check_in_settings(request):
    """Turn check-ins on or off, and change the number of days until the library asks."""
    form = CheckInsForm(request.POST if request.method == "POST" else None, library=request.library)
    if form.is_valid():
        by, at = request.user, timezone.now()
        with transaction.atomic():
            if form.changes:
                actions.change_library(request.library, by=by, at=at, **form.changes)
            set_type_rules(form.rules, by=by, at=at)
        messages.success(request, _("Settings for check-ins saved."))
        return redirect("settings")
    topics = Topic.objects.filter(never_by_message=True, retired_at=None)
    context = {
        "form": form,
        "has_email": sends_email(),
        "private_topics": topics.prefetch_related(*topic_names()),
        "topics_to_check": private_but_not_marked(),
        "branches": Branch.objects.filter(closed_at=None).order_by("name"),
    }
    return render(request, "desk/library/check_ins.html", context)
