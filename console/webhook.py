"""One alert to an address of the web, as JSON. No redirect is followed, no proxy is asked, a secret has only a name.

The secret is the file `secrets/NAME` beside the inventory, which only its owner may read.
"""

import asyncio
import http.client
import os
import stat
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import msgspec

from profiles.observed.status import Reason
from profiles.watching.alertrules import Webhook
from profiles.watching.alerts import Alert

TIMEOUT_S = 5.0
MAX_SECRET_BYTES = 4096


class NotSent(Exception):
    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.reason = Reason("webhook", message, hint)


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is an answer like any other that is not 2xx: an error."""

    def redirect_request(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage,
                         newurl: str) -> None:  # fmt: skip
        return None


async def post(webhook: Webhook, alert: Alert, secrets: Path) -> None:
    """Raises NotSent."""
    await asyncio.to_thread(_post, webhook, msgspec.json.encode({"gpuyard": 1, "kind": "alert", "item": alert}),
                            secrets)  # fmt: skip


def _post(webhook: Webhook, body: bytes, secrets: Path) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "gpuyard"}
    if webhook.secret is not None:
        headers["Authorization"] = f"Bearer {_secret(secrets / webhook.secret)}"
    request = Request(webhook.url, data=body, headers=headers, method="POST")
    try:
        with build_opener(ProxyHandler({}), _NoRedirects).open(request, timeout=TIMEOUT_S):
            pass
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        hint = "look at `notify.webhook` in alerts.yaml; redirects are not followed"
        raise NotSent(f"{webhook.url} did not take an alert: {error}", hint) from None


def _secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise NotSent(f"{path} may be read by others", f"chmod 600 {path}")
            value = file.read(MAX_SECRET_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotSent(f"the secret {path.name} cannot be read: {error}", f"write it to {path}, mode 600") from None
    if not value or not value.isprintable():
        raise NotSent(f"{path} holds no secret of one line", "one line of ASCII") from None
    return value
