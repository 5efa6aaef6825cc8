from django.conf import settings
from django.urls import include, path

handler400 = "portal.errors.bad_request"
handler403 = "portal.errors.permission_denied"
handler404 = "portal.errors.page_not_found"
# allauth calls handler429 when a request reaches one of allauth's rate limits.
handler429 = "portal.errors.too_many_requests"
handler500 = "portal.errors.server_error"

# portal.health.HealthMiddleware responds to /healthz and /readyz before these patterns are read. The desk's
# URLs come first, because open desk pages poll the server all the time. Django tries the patterns in order,
# so each pattern before the matching one costs time.
urlpatterns = [
    path("desk/", include("portal.desk.urls")),
    path("", include("portal.home.urls")),
    path("", include("portal.helpsessions.urls")),
    path("", include("portal.conversations.urls")),
    path("", include("portal.checkins.urls")),
    path("", include("portal.incoming.urls")),
    path("", include("portal.lists.urls")),
    path("", include("portal.privacy.urls")),
    path("", include("portal.notifications.urls")),
    path("", include("accounts.urls")),
    path("", include("portal.api.urls")),
]
if settings.DEMO:
    urlpatterns.append(path("demo/", include("portal.demo.urls")))
