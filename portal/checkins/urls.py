from django.urls import path

from .views import ask_later, choices, got_it, how_it_went, sharing

urlpatterns = [
    path("how/<str:token>/", how_it_went.how_it_went, name="how_it_went"),
    path("me/check-ins/", choices.check_ins, name="check_ins"),
    path("me/check-ins/titles/", choices.titles, name="check_in_titles"),
    path("recommendations/<uuid:public_id>/got-it/", got_it.got_it, name="got_it"),
    path("sessions/<uuid:public_id>/words/", sharing.share_words, name="share_words"),
    path("sessions/<uuid:public_id>/leave-out/", choices.leave_out, name="leave_out_of_check_ins"),
    path("sessions/<uuid:public_id>/ask-later/", ask_later.ask_later, name="ask_later"),
    path("sessions/<uuid:public_id>/dont-ask/", ask_later.dont_ask, name="dont_ask"),
]
