from django.urls import path

from .views import (
    address,
    home,
    installing,
    items,
    kept_pages,
    offline,
    open_by_code,
    phone,
    recommendations,
    search,
    waiting,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("c/", open_by_code.open_code, name="open_code"),
    path("c/account/", open_by_code.open_account, name="open_account"),
    path("c/<str:code>/", open_by_code.open_code_link, name="open_code_link"),
    path("leave/", open_by_code.leave, name="leave"),
    path("items/<uuid:public_id>/", items.item, name="item"),
    path("recommendations/", recommendations.recommendations, name="recommendations"),
    path("search/", search.search, name="search"),
    path("email/try/", address.try_address, name="try_address"),
    path("waiting/", waiting.who_sends, name="who_sends"),
    path("offline/", offline.offline, name="offline"),
    path("kept-pages/", kept_pages.list_kept_pages, name="kept_pages"),
    path("manifest.<slug:language>.webmanifest", installing.manifest, name="manifest"),
    path("icons/<slug:version>/<slug:name>.png", installing.icon, name="app_icon"),
    path("me/phone/", phone.phone_messages, name="phone_messages"),
    path("sessions/<uuid:public_id>/phone/", phone.visit_phone_messages, name="visit_phone_messages"),
    path("phone/try/", phone.try_phone, name="try_phone"),
    path("phone/end/", phone.end_phone, name="end_phone"),
    path("phone/here/", phone.phone_here, name="phone_here"),
    path("phone/renew/", phone.renew_phone, name="renew_phone"),
    path("sw.js", offline.service_worker, name="service_worker"),
]
