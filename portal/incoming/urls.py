from django.urls import path

from .views import originals

urlpatterns = [path("messages/emails/<uuid:public_id>/", originals.original_email, name="original_email")]
