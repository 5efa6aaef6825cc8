from django.urls import path

from .views import choosing, erasing, exporting, joining, looked, page, sharing

urlpatterns = [
    path("privacy/", page.privacy, name="privacy"),
    path("privacy/who-looked/", looked.who_looked, name="who_looked"),
    path("privacy/copy/", exporting.export, name="export"),
    path("privacy/copy/<uuid:public_id>/", exporting.export_file, name="export_file"),
    path("privacy/erase/", erasing.erase, name="erase"),
    path("privacy/erased/<uuid:public_id>/", erasing.erased, name="erased"),
    path("privacy/remember/", choosing.remember, name="remember"),
    path("me/join/", joining.join_records, name="join_records"),
    path("sessions/<uuid:public_id>/stop-keeping/", sharing.stop_keeping, name="stop_keeping"),
    path("sessions/<uuid:public_id>/stop-sharing/", sharing.stop_sharing, name="stop_sharing"),
]
