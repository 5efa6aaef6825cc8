from django.urls import include, path

from .views import cards, items, queue, record, sessions, slips, tally, templates, threads

urlpatterns = [
    path("", queue.desk, name="desk"),
    path("threads/<uuid:public_id>/", threads.desk_conversation, name="desk_conversation"),
    path("threads/<uuid:public_id>/reply/", threads.desk_reply, name="desk_reply"),
    path("threads/<uuid:public_id>/close/", threads.desk_close, name="desk_close"),
    path("record/", record.record, name="record"),
    path("record/autosave/", record.autosave, name="autosave"),
    path("record/<uuid:public_id>/", record.finish_session, name="finish_session"),
    path("record/<uuid:public_id>/discard/", record.discard_session, name="discard_session"),
    path("items/", items.desk_items, name="desk_items"),
    path("templates/", templates.desk_templates, name="desk_templates"),
    path("tally/", tally.tally, name="tally"),
    path("tally/<uuid:public_id>/undo/", tally.undo_tally, name="undo_tally"),
    path("sessions/", sessions.desk_sessions, name="desk_sessions"),
    path("sessions/open/", sessions.open_by_patrons_code, name="open_by_patrons_code"),
    path("sessions/<uuid:public_id>/", sessions.desk_session, name="desk_session"),
    path("sessions/<uuid:public_id>/slip/", slips.slip, name="slip"),
    path("sessions/<uuid:public_id>/hand-over/", slips.hand_over, name="hand_over"),
    path("sessions/<uuid:public_id>/revoke/", slips.revoke, name="revoke_codes"),
    path("sessions/<uuid:public_id>/card/", slips.attach_card, name="attach_card"),
    path("cards/", cards.cards, name="cards"),
    path("settings/", include("portal.desk.library.urls")),
]
