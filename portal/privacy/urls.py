from django.urls import path

from .views import access_log, erasing, exporting, merging, page, retention_choice, sharing

urlpatterns = [
    path("privacy/", page.privacy, name="privacy"),
    path("privacy/who-looked/", access_log.who_looked, name="who_looked"),
    path("privacy/copy/", exporting.export, name="export"),
    path("privacy/copy/<uuid:public_id>/", exporting.export_file, name="export_file"),
    path("privacy/erase/", erasing.erase, name="erase"),
    path("privacy/erased/<uuid:public_id>/", erasing.erased, name="erased"),
    path("privacy/remember/", retention_choice.remember, name="remember"),
    path("me/join/", merging.merge_records, name="merge_records"),
    path("sessions/<uuid:public_id>/stop-keeping/", sharing.stop_keeping, name="stop_keeping"),
    path("sessions/<uuid:public_id>/stop-sharing/", sharing.stop_sharing, name="stop_sharing"),
]
