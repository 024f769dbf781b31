#!/usr/bin/env python3
"""A launch ticket for xenterm, as a panel signs it: with nothing but the
standard library.

    panel-ticket.py KEY-FILE KEY-NAME AUDIENCE USER CONSOLE watch|type

KEY-NAME and AUDIENCE are those of the ticket_key section in xenterm.conf.
"""

import base64
import hashlib
import hmac
import json
import secrets
import sys
import time


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def launch_ticket(secret, key_name, audience, user, console, mode):
    now = int(time.time())
    header = {"alg": "HS256", "typ": "JWT", "kid": key_name}
    claims = {"aud": audience, "sub": user, "console": console, "mode": mode,
              "iat": now, "exp": now + 60, "jti": secrets.token_hex(16)}
    text = b".".join(encode(json.dumps(part).encode())
                     for part in (header, claims))
    signature = hmac.digest(secret, text, hashlib.sha256)
    return (text + b"." + encode(signature)).decode()


if __name__ == "__main__":
    if len(sys.argv) != 7:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as file:
        key = file.read().removesuffix(b"\n")
    print(launch_ticket(key, *sys.argv[2:]))
