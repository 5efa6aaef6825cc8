from django.urls import path

from .views import address, home, offline, open_by_code

urlpatterns = [
    path("", home.home, name="home"),
    path("c/", open_by_code.open_code, name="open_code"),
    path("c/account/", open_by_code.open_account, name="open_account"),
    path("c/<str:code>/", open_by_code.open_code_link, name="open_code_link"),
    path("leave/", open_by_code.leave, name="leave"),
    path("email/try/", address.try_address, name="try_address"),
    path("offline/", offline.offline, name="offline"),
    path("sw.js", offline.service_worker, name="service_worker"),
]
