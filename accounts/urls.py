from django.urls import path

from .views import (
    card_sign_in,
    desk_lock,
    email_address,
    invitation,
    logo,
    me,
    passkeys,
    reauthenticate,
    refused_posts,
    second_factor,
    sign_in,
    single_sign_on,
)

urlpatterns = [
    path("sign-in/", sign_in.sign_in, name="sign_in"),
    # allauth redirects to the URL with this name when it cancels a sign-in.
    path("sign-in/", sign_in.sign_in, name="account_login"),
    path("sign-in/card/", card_sign_in.card_sign_in, name="card_sign_in"),
    path("sign-in/code/", sign_in.enter_code, name="account_confirm_login_code"),
    path("sign-in/code/again/", sign_in.resend_code, name="resend_code"),
    path("sign-in/passkey/", passkeys.sign_in_by_passkey, name="sign_in_by_passkey"),
    path("sign-in/passkey/options/", passkeys.show_options, name="passkey_options"),
    path("sign-in/single-sign-on/", single_sign_on.single_sign_on, name="single_sign_on"),
    path(
        "sign-in/single-sign-on/answer/", single_sign_on.single_sign_on_answer, name="single_sign_on_answer"
    ),
    path(
        "sign-in/single-sign-on/first-time/",
        single_sign_on.single_sign_on_first_time,
        name="single_sign_on_first_time",
    ),
    path("sign-out/", sign_in.sign_out, name="sign_out"),
    path("signed-out/", sign_in.signed_out, name="signed_out"),
    path("language/", sign_in.set_language, name="set_language"),
    path("me/", me.me, name="me"),
    path("me/sign-out-elsewhere/", me.sign_out_elsewhere, name="sign_out_elsewhere"),
    path("me/address/", email_address.add_address, name="add_address"),
    path("me/address/keep/", email_address.keep_address, name="keep_address"),
    path("me/passkeys/add/", passkeys.add_passkey, name="add_passkey"),
    path("me/passkeys/add/options/", passkeys.add_options, name="add_passkey_options"),
    path("me/passkeys/offer/", passkeys.offer_passkey, name="offer_passkey"),
    path("me/passkeys/<uuid:public_id>/", passkeys.passkey, name="passkey"),
    path("me/single-sign-on/", single_sign_on.connect_sign_on, name="connect_sign_on"),
    path("me/prove/", reauthenticate.reauthenticate, name="reauthenticate"),
    path("not-me/<str:token>/", email_address.stop_address, name="stop_address"),
    path("invitation/<str:token>/", invitation.invitation, name="invitation"),
    path("second-factor/", second_factor.second_factor, name="second_factor"),
    path("second-factor/change/", second_factor.change_second_factor, name="change_second_factor"),
    path("lock/", desk_lock.lock, name="lock"),
    path("locked/", desk_lock.locked, name="locked"),
    path("kept/", refused_posts.kept, name="kept"),
    path("kept/<uuid:public_id>/discard/", refused_posts.discard_kept, name="discard_kept"),
    path("logo/", logo.logo, name="logo"),
]
