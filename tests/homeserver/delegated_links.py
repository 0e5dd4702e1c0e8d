"""Delegated links, signed as a page signs them, independently of the module."""

import hashlib
import hmac
from typing import Any
from urllib.parse import quote

from tests.homeserver.support import PREFIX, Account, Mxc

Key = dict[str, Any]


def issued_key(account: Account) -> Key:
    return dict(account.http.post(f"{PREFIX}/key").raise_for_status().json())


def delegated_link(key: Key, mxc: Mxc, *, file_name: str | None = None, revision: int = 0, **thumbnail: Any) -> str:
    """Returns the URL of a link, signed with an account's key.

    :param file_name: makes it a link to an attachment; empty for the name that the media was uploaded with.
    """
    server = mxc.server_name.replace("[", "%5B").replace("]", "%5D")
    url = f"{PREFIX}/signed/{server}/{mxc.media_id}?k={key['key_id']}&e={key['expires_ts']}&s={key['session']}"
    if thumbnail:
        url += f"&w={thumbnail['width']}&h={thumbnail['height']}&m={thumbnail.get('method', 'scale')}"
        url += "&a=1" if thumbnail.get("animated") else ""
    if file_name is not None:
        url += "&d=1" + (f"&n={quote(file_name, safe='')}" if file_name else "")
    if revision:
        url += f"&r={revision}"
    return f"{key['base_url']}{url}&dsig={signature(key, url)}"


def signature(key: Key, text: str) -> str:
    return hmac.new(bytes.fromhex(key["key"]), text.encode(), hashlib.sha256).hexdigest()
