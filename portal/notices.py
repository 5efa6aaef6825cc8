"""Keep notices (Django's messages) for the next page in a __Host- cookie, or in the session if too long."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class NoticeCookie(CookieStorage):
    cookie_name = settings.COOKIE_PREFIX + "notices"


class NoticeStorage(FallbackStorage):
    storage_classes = (NoticeCookie, SessionStorage)
