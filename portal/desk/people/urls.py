from django.urls import path

from .views import check_ins, look_up, merging, records

urlpatterns = [
    path("", look_up.patrons, name="patrons"),
    path("by-name/", look_up.patrons_by_name, name="patrons_by_name"),
    path("new/", look_up.add_patron, name="add_patron"),
    path("look-ups/", look_up.lookups, name="lookups_with_reason"),
    path("<uuid:public_id>/", records.patron_record, name="patron_record"),
    path("<uuid:public_id>/keep/", records.keep_for_patron, name="keep_for_patron"),
    path("<uuid:public_id>/code/", records.make_account_code, name="make_account_code"),
    path("<uuid:public_id>/passkey/", records.remove_lost_passkey, name="remove_lost_passkey"),
    path("<uuid:public_id>/child/", records.change_childs_record, name="change_childs_record"),
    path("<uuid:public_id>/check-ins/", check_ins.record_check_ins, name="record_check_ins"),
    path("<uuid:public_id>/check-ins/stop/", check_ins.stop_check_ins, name="stop_check_ins"),
    path("<uuid:public_id>/died/", check_ins.note_death, name="note_death"),
    path("<uuid:public_id>/merge/", merging.merge_records, name="desk_merge_records"),
    path("<uuid:public_id>/unmerge/", merging.unmerge_records, name="desk_unmerge_records"),
    # An earlier version used these URLs. Pages that were open during an update still post to them.
    path("<uuid:public_id>/join/", merging.merge_records, name="desk_old_merge_records"),
    path("<uuid:public_id>/part/", merging.unmerge_records, name="desk_old_unmerge_records"),
]
