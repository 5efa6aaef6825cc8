from django.urls import path

from . import views

urlpatterns = [
    path("", views.demo, name="demo"),
    path("become/nobody/", views.demo_become_nobody, name="demo_become_nobody"),
    path("become/<uuid:public_id>/", views.demo_become, name="demo_become"),
    path("mail/", views.demo_mail, name="demo_mail"),
    path("mail/<str:name>/", views.demo_one_mail, name="demo_one_mail"),
]
