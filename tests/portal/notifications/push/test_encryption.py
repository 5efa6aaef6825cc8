"""Test the encryption of push messages against the examples of RFC 8188 and RFC 8291."""

import pytest
from cryptography.exceptions import InvalidTag

from portal.notifications.push.encryption import encode, encrypt
from portal.notifications.push.keys import private_key
from tests.push_device import PushDevice, base64url, decrypt_records, from_base64url

# RFC 8291, section 5 and appendix A: https://www.rfc-editor.org/rfc/rfc8291#section-5
RFC_8291 = {
    "content": b"When I grow up, I want to be a watermelon",
    "browser's private key": "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    "sender's private key": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
    "salt": "DGv6ra1nlYgDCS1FRnbzlw",
    "body": (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8w"
        "EqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    ),
}
# RFC 8188, section 3.1: https://www.rfc-editor.org/rfc/rfc8188#section-3.1
RFC_8188 = {
    "content": b"I am the walrus",
    "key": "yqdlZ-tYemfogSmv7Ws5PQ",
    "salt": "I1BsxtFttlv3u_Oo94xnmw",
    "body": "I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg",
}
# RFC 8188, section 3.2, with two records and padding: https://www.rfc-editor.org/rfc/rfc8188#section-3.2
TWO_RECORDS = {
    "content": b"I am the walrus",
    "key": "BO3ZVPxUlnLORbVGMpbT1Q",
    "body": (
        "uNCkWiNYzKTnBN9ji3-qWAAAABkCYTHOG8chz_gnvgOqdGYovxyjuqRyJFjEDyoF1Fvkj6hQPdPHI51OEUKEpgz3SsLWIqS_uA"
    ),
}


@pytest.fixture
def device():
    return PushDevice(
        private_key=private_key(RFC_8291["browser's private key"]), auth=from_base64url(RFC_8291["auth"])
    )


def test_example_message_of_rfc_8291_is_encrypted_as_in_the_rfc(device):
    body = encrypt(
        RFC_8291["content"],
        browser_key=from_base64url(device.p256dh),
        auth=device.auth_secret,
        sender_key=private_key(RFC_8291["sender's private key"]),
        salt=from_base64url(RFC_8291["salt"]),
    )
    assert base64url(body) == RFC_8291["body"]


def test_example_content_of_rfc_8188_is_encrypted_as_in_the_rfc():
    body = encode(
        RFC_8188["content"], key=from_base64url(RFC_8188["key"]), salt=from_base64url(RFC_8188["salt"])
    )
    assert base64url(body) == RFC_8188["body"]


def test_fake_push_device_decrypts_the_examples_of_rfc_8188_and_rfc_8291(device):
    assert device.decrypt(from_base64url(RFC_8291["body"])) == RFC_8291["content"]
    for example in (RFC_8188, TWO_RECORDS):
        body, key = from_base64url(example["body"]), from_base64url(example["key"])
        assert decrypt_records(body, key) == example["content"]


def test_message_can_be_decrypted_only_by_its_device(device):
    own, other = PushDevice(), PushDevice()
    keys = {"browser_key": from_base64url(own.p256dh), "auth": own.auth_secret}
    body = encrypt("¿Qué tal?".encode(), **keys)
    assert own.decrypt(body).decode() == "¿Qué tal?"
    with pytest.raises(InvalidTag):
        other.decrypt(body)


def test_each_message_has_a_new_salt_and_a_new_key():
    device = PushDevice()
    keys = {"browser_key": from_base64url(device.p256dh), "auth": device.auth_secret}
    one, other = encrypt(b"x", **keys), encrypt(b"x", **keys)
    assert one[:16] != other[:16]
    assert one[21:86] != other[21:86]


def test_push_message_of_more_than_3993_bytes_is_refused():
    device = PushDevice()
    keys = {"browser_key": from_base64url(device.p256dh), "auth": device.auth_secret}
    assert len(encrypt(b"x" * 3993, **keys)) == 4096
    with pytest.raises(ValueError, match="too long"):
        encrypt(b"x" * 3994, **keys)
