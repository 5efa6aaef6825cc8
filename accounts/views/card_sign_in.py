"""The page for signing in with a library card and its PIN. The page exists only if the library has an ILS."""

from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.debug import sensitive_post_parameters

from accounts.forms.library_cards import CardForm
from accounts.ils.configured import library_ils
from accounts.sign_in import library_cards
from accounts.sign_in.access import safe_next, sign_in
from accounts.sign_in.single_sign_on import sign_on_name
from accounts.sign_in.wanted_page import wanted_page


@sensitive_post_parameters("pin")
def card_sign_in(request):
    if request.user.is_authenticated:
        return redirect(safe_next(request) or "home")
    ils = library_ils()
    if ils is None:
        raise Http404
    form = CardForm(request.POST or None, request=request, ils=ils)
    if form.is_valid():
        try:
            person = library_cards.person_with_card(form.patron, at=timezone.now(), language=get_language())
        except library_cards.OnPaperOnly:
            form.refuse_paper_only()
            person = None
        if person and person.is_active:
            sign_in(request, person, by="card", borrowed=form.cleaned_data["borrowed"])
            return redirect(safe_next(request) or "home")
        if person:
            form.refuse_blocked()
    return render(
        request,
        "accounts/card_sign_in.html",
        {
            "form": form,
            **wanted_page(request),
            "to_try": getattr(ils, "cards", []),
            "sign_on": sign_on_name(),
        },
    )
