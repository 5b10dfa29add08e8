"""Where a server is, which key it gets, and how that key is kept out of everything else."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from lmtx.errors import TeacherError, TeacherSpecError

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_HOST = "api.openai.com"
NO_KEY = "none"
"""Sent as the key where none is needed, since the client insists on one."""

# ---- where --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Address:
    """Where a server is.

    url : base address, without a slash at its end
    host : name of the machine; empty where it is this one
    identity : host, port and path, as part of a teacher's key
    name : host and port, for messages
    """

    url: str
    host: str
    identity: str
    name: str

    @classmethod
    def of(cls, base_url: str) -> Address:
        """Read a base address; `TeacherSpecError` where it is not usable, which does not repeat it."""
        what = "teacher 'openai': base_url"
        if not base_url.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", base_url):
            raise TeacherSpecError(f"{what} holds characters that no address has. Write http://host:port/v1.")
        try:
            parts = urlsplit(base_url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TeacherSpecError(
                f"{what} is no address that begins with http:// or https://. Write http://127.0.0.1:8000/v1, "
                "or leave it out for the service of OpenAI."
            )
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise TeacherSpecError(
                f"{what} holds a user name, a password or parameters. Give the bare address: a key is read "
                "from the environment (key_env names the variable)."
            )
        host = parts.hostname.lower()
        shown = f"[{host}]" if ":" in host else host
        named = shown if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f"{shown}:{port}"
        path = parts.path.rstrip("/")
        url = f"{parts.scheme}://{named}{path}"
        return cls(url, "" if is_loopback(host) else host, f"{named}{path}", named)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# ---- keys ---------------------------------------------------------------------------------------


def check_key_env(name: str) -> str:
    """Return a variable's name; `TeacherSpecError` where it may be a key instead, which is not repeated."""
    if name and not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", name):
        raise TeacherSpecError(
            "teacher 'openai': key_env is not the name of an environment variable in capitals, such as "
            "MY_SERVICE_KEY. Give the variable's name, never the key itself."
        )
    return name


def find_key(address: Address, key_env: str) -> str:
    """Read the key from the environment.

    OPENAI_API_KEY goes to OpenAI alone and LMTX_API_KEY to any other server, unless `key_env` names a
    variable: a key that was set for one service is never shown to another.
    """
    name = key_env or ("OPENAI_API_KEY" if address.host == OPENAI_HOST else "LMTX_API_KEY")
    key = os.environ.get(name, "").strip()
    if not key and (key_env or address.host == OPENAI_HOST):
        raise TeacherError(
            f"teacher at {address.name}: the environment variable {name} is not set. Set it to the key of "
            "that service and start again, or choose another teacher."
        )
    if any(not "!" <= c <= "~" for c in key):
        raise TeacherError(
            f"teacher at {address.name}: the environment variable {name} holds characters that no key has. "
            "Set it to the key alone."
        )
    return key or NO_KEY


class Scrubber:
    """Takes a key out of text, in the forms that servers give it back in."""

    def __init__(self, key: str = "") -> None:
        self._forms: list[str] = []
        if key and key != NO_KEY:
            encoded = (base64.b64encode(x.encode()).decode().rstrip("=") for x in (key, f"Bearer {key}"))
            forms = {key, quote(key, safe=""), quote(key), json.dumps(key)[1:-1], *encoded}
            self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Text without the key and other bearer tokens, and without characters that can't be stored."""
        for form in self._forms:
            text = text.replace(form, "…")
        text = re.sub(r"(?i)\b(bearer\s+)[\w.~+/=-]{6,}", r"\1…", text)
        return text.encode("utf-8", "replace").decode().replace("\x00", "�")
