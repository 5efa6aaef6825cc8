from django.urls import path

from .views import looked, page

urlpatterns = [
    path("privacy/", page.privacy, name="privacy"),
    path("privacy/who-looked/", looked.who_looked, name="who_looked"),
]
