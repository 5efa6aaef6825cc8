"""Where a notice waits on its way to the next page: in a cookie of this host alone, or in the session where it is too long for one."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class NoticeCookie(CookieStorage):
    cookie_name = settings.COOKIE_PREFIX + "notices"


class NoticeStorage(FallbackStorage):
    storage_classes = (NoticeCookie, SessionStorage)
