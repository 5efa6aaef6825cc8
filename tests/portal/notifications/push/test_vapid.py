"""Check the authorization header of push messages against RFC 8292.

The tests don't use the package that makes this header.
"""

import json
import re
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from portal.notifications.push.keys import application_key
from portal.notifications.push.sending import send
from tests.factories import PushSubscriptionFactory
from tests.push_device import base64url, from_base64url


def test_push_service_can_verify_the_sender_and_audience_and_expiry_of_a_message(db, service):
    device = service.device("ok/1")
    send(PushSubscriptionFactory(device_keys=device), {"title": "x"}, topic="t", seconds=60)
    header = service.received[0].headers["Authorization"]
    token, key = re.fullmatch(r"vapid t=([\w.-]+),\s*k=([\w-]+)", header).groups()
    assert key == application_key()
    head, claims, signature = token.split(".")
    assert json.loads(from_base64url(head)) == {"typ": "JWT", "alg": "ES256"}
    content = json.loads(from_base64url(claims))
    assert content.pop("exp") - time.time() <= 24 * 3600
    assert content == {
        "aud": f"http://127.0.0.1:{service.server.server_port}",
        "sub": "mailto:help@library.example",
    }
    both = from_base64url(signature)
    assert (len(both), base64url(both)) == (64, signature)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_base64url(key))
    numbers = int.from_bytes(both[:32], "big"), int.from_bytes(both[32:], "big")
    # This raises InvalidSignature if the signature doesn't match these claims.
    public.verify(encode_dss_signature(*numbers), f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
