from django.urls import path

from .views import asking, keeping, threads, verdicts

urlpatterns = [
    path("messages/", threads.conversations, name="conversations"),
    path("messages/<uuid:public_id>/", threads.conversation, name="conversation"),
    path("messages/<uuid:public_id>/news/", threads.conversation_news, name="conversation_news"),
    path("messages/<uuid:public_id>/reply/", threads.reply, name="reply"),
    path("messages/<uuid:public_id>/draft/", threads.conversation_draft, name="conversation_draft"),
    path("messages/<uuid:public_id>/close/", threads.close_conversation, name="close_conversation"),
    path("sessions/<uuid:public_id>/ask/", asking.ask_about_session, name="ask_about_session"),
    path("sessions/<uuid:public_id>/keep/", keeping.keep_session, name="keep_session"),
    path("recommendations/<uuid:public_id>/verdict/", verdicts.verdict, name="verdict"),
    path("recommendations/<uuid:public_id>/ask/", asking.ask_about_item, name="ask_about_item"),
]
