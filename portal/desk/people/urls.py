from django.urls import path

from .views import merging, patrons

urlpatterns = [
    path("", patrons.patrons, name="patrons"),
    path("by-name/", patrons.patrons_by_name, name="patrons_by_name"),
    path("new/", patrons.add_patron, name="add_patron"),
    path("look-ups/", patrons.lookups, name="lookups_with_reason"),
    path("<uuid:public_id>/", patrons.patron_record, name="patron_record"),
    path("<uuid:public_id>/keep/", patrons.keep_for_patron, name="keep_for_patron"),
    path("<uuid:public_id>/code/", patrons.make_account_code, name="make_account_code"),
    path("<uuid:public_id>/passkey/", patrons.remove_lost_passkey, name="remove_lost_passkey"),
    path("<uuid:public_id>/child/", patrons.change_childs_record, name="change_childs_record"),
    path("<uuid:public_id>/merge/", merging.merge_records, name="desk_merge_records"),
    path("<uuid:public_id>/unmerge/", merging.unmerge_records, name="desk_unmerge_records"),
]
