from django.urls import path

from . import views
from .endpoints import api

urlpatterns = [
    path("desk/settings/systems/", views.api_tokens, name="api_tokens"),
    path("desk/settings/systems/<uuid:public_id>/revoke/", views.revoke_api_token, name="revoke_api_token"),
    path("api/v1/", api.urls),
]
