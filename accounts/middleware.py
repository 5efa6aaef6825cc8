from django.shortcuts import redirect
from django.utils import timezone, translation
from django.utils.functional import SimpleLazyObject

from .access import may_pass_the_desk_door, needs_second_factor
from .models import Library


class LibraryMiddleware:
    """request.library, and times shown in its zone."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.library = SimpleLazyObject(Library.current)
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        timezone.activate(request.library.zone)


class LanguageMiddleware:
    """A signed-in person's language; otherwise the one chosen on this device, the browser's, the library's."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        language = request.user.language if request.user.is_authenticated else ""
        translation.activate(language or translation.get_language_from_request(request))
        request.LANGUAGE_CODE = translation.get_language()
        response = self.get_response(request)
        response.headers.setdefault("Content-Language", translation.get_language())
        return response


class SecondFactorMiddleware:
    """No page under /desk/ opens before the second factor of this sign-in."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path.startswith("/desk/") and needs_second_factor(request) and not may_pass_the_desk_door(request):
            return redirect("second_factor")
        return self.get_response(request)
