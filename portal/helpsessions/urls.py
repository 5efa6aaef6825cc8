from django.urls import path

from . import views

urlpatterns = [
    path("sessions/", views.help_sessions, name="help_sessions"),
    path("sessions/<uuid:public_id>/", views.help_session, name="help_session"),
    path("sessions/<uuid:public_id>/share/", views.share_titles, name="share_titles"),
    path("sessions/dismiss/<uuid:public_id>/", views.dismiss_removed_item, name="dismiss_removed_item"),
    path("sessions/<uuid:public_id>/all-helped/", views.all_helped, name="all_helped"),
    path("sessions/<uuid:public_id>/all-helped/undo/", views.undo_all_helped, name="undo_all_helped"),
]
