from django.urls import path

from .views import notices, unsubscribe

urlpatterns = [
    path("me/emails/", notices.notices, name="notices"),
    path("unsubscribe/<str:token>/", unsubscribe.unsubscribe, name="unsubscribe"),
]
