from django.urls import path

from . import views

urlpatterns = [
    path("lists/", views.saved, name="saved"),
    path("lists/save/<uuid:public_id>/", views.save_item, name="save_item"),
    path("lists/remove/<uuid:public_id>/", views.remove_saved, name="remove_saved"),
    path("lists/restore/<uuid:public_id>/", views.restore_saved, name="restore_saved"),
]
