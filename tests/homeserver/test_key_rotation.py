"""Rotating the secret that signs links, while sessions continue."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from development.synapse import Synapse
from media_protocol.signing import Keyring
from tests.homeserver.conftest import QUICK
from tests.homeserver.delegated_links import delegated_link, issued_key
from tests.homeserver.support import PREFIX, Account, send
from tests.relay import free_port

OLD = {"id": "2026-01", "secret": "an old secret, of thirty-two bytes or more"}
NEW = {"id": "2026-02", "secret": "a new secret, of thirty-two bytes or more"}


def signed_by(key: dict[str, str], url: str, expires_ms: int | None = None) -> str:
    """Returns the link as a process signs it whose first secret is this one."""
    keyring = Keyring((one["id"], one["secret"].encode()) for one in (key, *(k for k in (OLD, NEW) if k != key)))
    parts = urlsplit(url)
    link = keyring.verify(f"{parts.path}?{parts.query}".encode(), 0)
    session = keyring.seal(keyring.open(link.key_id, link.session))
    link = replace(link, key_id=key["id"], session=session, expires_ms=expires_ms or link.expires_ms)
    return f"{parts.scheme}://{parts.netloc}{keyring.sign(link)}"


def test_secret_is_rotated_in_three_steps(tmp_path: Path) -> None:
    (tmp_path / "new.secret").write_text(NEW["secret"] + "\n")
    new = {"id": NEW["id"], "secret_path": str(tmp_path / "new.secret")}
    port = free_port()

    def homeserver(*keys: dict[str, Any], delegated: bool = True) -> Synapse:
        config = {"secrets": list(keys), "delegated": delegated}
        return Synapse(tmp_path / "data", port, module_config=config, extra_config=QUICK)

    with homeserver(OLD) as synapse:
        account = Account.new(synapse)
        mxc = account.upload(b"x", "text/plain")
        old_link = account.link(mxc)
        assert "?k=2026-01&" in old_link
        assert send(old_link).status == 200
        old_key = issued_key(account)
        assert send(delegated_link(old_key, mxc)).status == 200
    with homeserver(OLD, new):
        assert account.link(mxc) == old_link
        assert send(old_link).status == 200
        # A link that another process has signed, which is in the second step already.
        assert send(signed_by(NEW, old_link)).status == 200
    with homeserver(new, OLD):
        new_link = account.link(mxc)
        assert "?k=2026-02&" in new_link
        new_key = issued_key(account)
        assert new_key["key_id"] == NEW["id"]
        assert [send(delegated_link(key, mxc)).status for key in (old_key, new_key)] == [200, 200]
        assert send(delegated_link({**old_key, "key_id": NEW["id"]}, mxc)).status == 403
        assert send(old_link).status == 200
        # The rotation does not extend the expiry of links.
        for key in (OLD, NEW):
            expired = send(signed_by(key, old_link, expires_ms=int(time.time() * 1000) - 1))
            assert (expired.status, expired.error) == (403, "DEV.AUTHMEDIA.LINK_EXPIRED")
        assert send(new_link).status == 200
        assert send(old_link.replace("?k=2026-01&", "?k=2026-02&")).status == 403
    with homeserver(new):
        assert [send(delegated_link(key, mxc)).status for key in (old_key, new_key)] == [403, 200]
        assert send(old_link).status == 403
        assert send(new_link).status == 200
        assert account.link(mxc) == new_link
    with homeserver(new, delegated=False):
        assert send(new_link).status == 200
        assert send(delegated_link(new_key, mxc)).status == 403
        assert account.http.post(f"{PREFIX}/key").json()["errcode"] == "M_UNRECOGNIZED"
        assert "delegated" not in account.http.get(f"{PREFIX}/config").json()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"secrets": [{"id": "1", "secret": "short"}]}, "media_links: secret '1' is shorter than 32 bytes"),
        ({"lifetime": "soon"}, "media_links: 'lifetime' must be a duration"),
    ],
)
def test_invalid_configuration_is_reported(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match="stopped while starting") as caught:
        Synapse(tmp_path / "data", free_port(), module_config=config).start()
    assert words in str(caught.value)
