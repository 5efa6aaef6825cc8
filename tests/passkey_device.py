"""Simulate a device that creates passkeys and signs in with them. It can also send wrong values."""

import hashlib
import json
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def attested(credential_id, key):
    """Return the credential data that the portal stores for a passkey with this private key."""
    return AttestedCredentialData.create(
        Aaguid.NONE, credential_id, ES256.from_cryptography_key(key.public_key())
    )


class Device:
    def __init__(self, origin="http://localhost", *, counts=False, attachment="platform"):
        self.origin, self.counts, self.attachment = origin, counts, attachment
        self.key, self.credential_id, self.handle, self.count = None, None, None, 0

    def make(self, options, *, verified=True, **lies):
        """Return the device's response to the options for adding a passkey.

        `lies` has wrong values to put into the response: `origin`, `challenge`, `host` or `kind`.
        """
        options = options["publicKey"]
        self.key, self.credential_id = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
        self.handle = websafe_decode(options["user"]["id"])
        data = self._data(
            lies.get("host", options["rp"]["id"]), verified, ATTESTED, attested(self.credential_id, self.key)
        )
        return self._answer(
            options, lies, "webauthn.create", attestationObject=AttestationObject.create("none", data, {})
        )

    def show(self, options, *, verified=True, **lies):
        """Return the device's response to the options for signing in.

        `lies` has wrong values to put into the response: `origin`, `challenge`, `host`, `kind`, `handle` or
        `key`.
        """
        options = options["publicKey"]
        data = self._data(lies.get("host", options["rpId"]), verified, 0, b"")
        answer = self._answer(
            options, lies, "webauthn.get", authenticatorData=data, userHandle=lies.get("handle", self.handle)
        )
        signed = data + hashlib.sha256(websafe_decode(answer["response"]["clientDataJSON"])).digest()
        answer["response"]["signature"] = websafe_encode(
            lies.get("key", self.key).sign(signed, ec.ECDSA(hashes.SHA256()))
        )
        return answer

    def _data(self, host, verified, flags, credential):
        self.count += self.counts
        return AuthenticatorData.create(
            hashlib.sha256(host.encode()).digest(),
            PRESENT | flags | (VERIFIED if verified else 0),
            self.count,
            credential,
        )

    def _answer(self, options, lies, kind, **response):
        client_data = {
            "type": lies.get("kind", kind),
            "challenge": lies.get("challenge", options["challenge"]),
            "origin": lies.get("origin", self.origin),
        }
        response["clientDataJSON"] = json.dumps(client_data).encode()
        credential_id = websafe_encode(self.credential_id)
        parts = {name: websafe_encode(part) for name, part in response.items()}
        return {
            "id": credential_id,
            "rawId": credential_id,
            "type": "public-key",
            "authenticatorAttachment": self.attachment,
            "response": parts,
            "clientExtensionResults": {},
        }
