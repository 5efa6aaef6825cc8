from django.urls import path

from portal.desk.views import templates

from . import views

urlpatterns = [
    path("", views.settings, name="settings"),
    path("library/", views.library_settings, name="library_settings"),
    path("children/", views.children_settings, name="children_settings"),
    path("library/logo/", views.logo_settings, name="logo_settings"),
    path("branches/new/", views.add_branch, name="add_branch"),
    path("branches/of/<slug:slug>/", views.branch_settings, name="branch_settings"),
    path("branches/of/<slug:slug>/hours/", views.branch_hours, name="branch_hours"),
    path("branches/of/<slug:slug>/closed-days/", views.branch_closed_days, name="branch_closed_days"),
    path("branches/of/<slug:slug>/use/", views.branch_use, name="branch_use"),
    path("topics/", views.topics, name="topics"),
    path("templates/", templates.reply_templates, name="reply_templates"),
    path("templates/new/", templates.add_reply_template, name="add_reply_template"),
    path("templates/<uuid:public_id>/", templates.reply_template, name="reply_template"),
    path("templates/<uuid:public_id>/remove/", templates.remove_reply_template, name="remove_reply_template"),
    path("people/", views.people, name="people"),
    path("people/invite/", views.invite, name="invite"),
    path("people/invitations/<uuid:public_id>/again/", views.invite_again, name="invite_again"),
    path(
        "people/invitations/<uuid:public_id>/withdraw/", views.withdraw_invitation, name="withdraw_invitation"
    ),
    path("people/<uuid:public_id>/", views.person, name="person"),
    path("people/<uuid:public_id>/end/", views.end_role, name="end_role"),
    path("people/<uuid:public_id>/second-factor/", views.forget_second_factor, name="forget_second_factor"),
]
