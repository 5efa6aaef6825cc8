from django.urls import path

from . import views

urlpatterns = [
    path("", views.patrons, name="patrons"),
    path("by-name/", views.patrons_by_name, name="patrons_by_name"),
    path("new/", views.add_patron, name="add_patron"),
    path("look-ups/", views.lookings, name="lookings"),
    path("<uuid:public_id>/", views.patron_record, name="patron_record"),
    path("<uuid:public_id>/keep/", views.keep_for_patron, name="keep_for_patron"),
]
