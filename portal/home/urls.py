from django.urls import path

from .views import door, front, offline

urlpatterns = [
    path("", front.home, name="home"),
    path("c/", door.open_code, name="open_code"),
    path("c/account/", door.open_account, name="open_account"),
    path("c/<str:code>/", door.open_code_link, name="open_code_link"),
    path("leave/", door.leave, name="leave"),
    path("offline/", offline.offline, name="offline"),
    path("sw.js", offline.service_worker, name="service_worker"),
]
