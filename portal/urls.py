from django.conf import settings
from django.urls import include, path

urlpatterns = [
    path("", include("portal.home.urls")),
    path("", include("portal.helpsessions.urls")),
    path("", include("portal.conversations.urls")),
    path("", include("portal.lists.urls")),
    path("", include("accounts.urls")),
    path("desk/", include("portal.desk.urls")),
]
if settings.DEMO:
    urlpatterns.append(path("demo/", include("portal.demo.urls")))
