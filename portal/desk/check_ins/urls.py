from django.urls import path

from . import views

urlpatterns = [
    path("", views.desk_check_ins, name="desk_check_ins"),
    path("tomorrow/", views.check_ins_of_tomorrow, name="check_ins_of_tomorrow"),
    path("<uuid:public_id>/", views.desk_check_in, name="desk_check_in"),
    path("<uuid:public_id>/move/", views.move_check_in, name="move_check_in"),
    path("<uuid:public_id>/skip/", views.skip_check_in, name="skip_check_in"),
    path("<uuid:public_id>/unskip/", views.unskip_check_in, name="unskip_check_in"),
    path("<uuid:public_id>/send/", views.send_check_in, name="send_check_in"),
    path("visits/<uuid:public_id>/plan/", views.plan_check_in, name="plan_check_in"),
]
