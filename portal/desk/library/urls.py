from django.urls import path

from .views import branches, emails, first_week, library, notices, people, reply_templates, topics

urlpatterns = [
    path("", library.settings, name="settings"),
    path("library/", library.library_settings, name="library_settings"),
    path("children/", library.children_settings, name="children_settings"),
    path("branches/new/", branches.add_branch, name="add_branch"),
    path("branches/of/<slug:slug>/", branches.branch_settings, name="branch_settings"),
    path("branches/of/<slug:slug>/closed-day/", branches.restore_closed_day, name="restore_closed_day"),
    path("branches/of/<slug:slug>/use/", branches.branch_use, name="branch_use"),
    path("first-week/", first_week.first_week, name="first_week"),
    path("first-week/hide/", first_week.hide_first_week, name="hide_first_week"),
    path("first-week/email/", first_week.first_week_email, name="first_week_email"),
    path("first-week/catalog/", first_week.first_week_catalog, name="first_week_catalog"),
    path("first-week/backup/", first_week.first_week_backup, name="first_week_backup"),
    path("notices/", notices.notice_defaults, name="notice_defaults"),
    path("emails/", emails.undelivered_emails, name="undelivered_emails"),
    path("emails/<uuid:public_id>/", emails.undelivered_email, name="undelivered_email"),
    path("emails/<uuid:public_id>/again/", emails.send_email_again, name="send_email_again"),
    path("topics/", topics.topics, name="topics"),
    path("templates/", reply_templates.reply_templates, name="reply_templates"),
    path("templates/new/", reply_templates.add_reply_template, name="add_reply_template"),
    path("templates/starters/", first_week.starter_templates, name="starter_templates"),
    path("templates/<uuid:public_id>/", reply_templates.reply_template, name="reply_template"),
    path(
        "templates/<uuid:public_id>/remove/",
        reply_templates.remove_reply_template,
        name="remove_reply_template",
    ),
    path("people/", people.people, name="people"),
    path("people/invite/", people.invite, name="invite"),
    path("people/invitations/<uuid:public_id>/again/", people.invite_again, name="invite_again"),
    path(
        "people/invitations/<uuid:public_id>/withdraw/",
        people.withdraw_invitation,
        name="withdraw_invitation",
    ),
    path("people/<uuid:public_id>/", people.person, name="person"),
    path("people/<uuid:public_id>/end/", people.end_role, name="end_role"),
    path("people/<uuid:public_id>/second-factor/", people.forget_second_factor, name="forget_second_factor"),
]
