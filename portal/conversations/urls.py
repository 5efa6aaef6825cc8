from django.urls import path

from .views import asking, attachments, code_pages, conversations, discarding, keeping, reading, verdicts

urlpatterns = [
    path("ask/", asking.ask, name="ask"),
    path("ask/draft/", asking.ask_draft, name="ask_draft"),
    path("ask/send/", asking.send_question, name="send_question"),
    path("ask/send/code/", code_pages.send_question_code, name="send_question_code"),
    path("ask/discard/", discarding.discard_question, name="discard_question"),
    path("ask/restore/", discarding.restore_discarded, name="restore_discarded"),
    path("find-something-to-read/", reading.find_reading, name="find_reading"),
    path("find-something-to-read/send/", reading.send_reading, name="send_reading"),
    path("find-something-to-read/send/code/", code_pages.send_reading_code, name="send_reading_code"),
    path("find-something-to-read/discard/", discarding.discard_reading, name="discard_reading"),
    path("messages/", conversations.conversations, name="conversations"),
    path("messages/<uuid:public_id>/", conversations.conversation, name="conversation"),
    path("messages/<uuid:public_id>/news/", conversations.conversation_news, name="conversation_news"),
    path("messages/<uuid:public_id>/reply/", conversations.reply, name="reply"),
    path("messages/<uuid:public_id>/draft/", conversations.conversation_draft, name="conversation_draft"),
    path("messages/<uuid:public_id>/attach/", attachments.attach, name="attach"),
    path("messages/<uuid:public_id>/files/<uuid:file_id>/", attachments.attachment, name="attachment"),
    path("messages/<uuid:public_id>/close/", conversations.close_conversation, name="close_conversation"),
    path("sessions/<uuid:public_id>/ask/", asking.ask_about_session, name="ask_about_session"),
    path("sessions/<uuid:public_id>/keep/", keeping.keep_session, name="keep_session"),
    path("sessions/<uuid:public_id>/keep/code/", keeping.keep_session_code, name="keep_session_code"),
    path("recommendations/<uuid:public_id>/verdict/", verdicts.verdict, name="verdict"),
    path("recommendations/<uuid:public_id>/ask/", asking.ask_about_item, name="ask_about_item"),
]
