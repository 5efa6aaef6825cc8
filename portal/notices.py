"""Store notices (Django's messages) for the next page in a __Host- cookie.

Notices that are too long for a cookie are stored in the session.
"""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class NoticeCookie(CookieStorage):
    cookie_name = settings.COOKIE_PREFIX + "notices"


class NoticeStorage(FallbackStorage):
    storage_classes = (NoticeCookie, SessionStorage)
