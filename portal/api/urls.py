from django.urls import include, path

from . import endpoints, views

urlpatterns = [
    path("desk/settings/systems/", views.api_tokens, name="api_tokens"),
    path("desk/settings/systems/<uuid:public_id>/revoke/", views.revoke_api_token, name="revoke_api_token"),
    path(
        "desk/settings/systems/<uuid:public_id>/restore/", views.restore_api_token, name="restore_api_token"
    ),
    path("api/v1/openapi.json", endpoints.api_description, name="api_description"),
    path("api/v1/", include(endpoints.urls())),
]
