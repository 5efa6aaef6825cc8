from django.urls import path

from .views import page

urlpatterns = [
    path("privacy/", page.privacy, name="privacy"),
]
