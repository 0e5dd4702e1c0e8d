"""Encrypted attachments: validation, keys, and decryption by every strategy."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authmedia import errors
from authmedia.loader import open_loader
from authmedia.matrix.encrypted_file import EncryptedFile, Keyring
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import DISK, NETWORK, MediaRequest
from development.attachments import encrypt
from tests.unit.support import PICTURE, SPECIFIED, Script, run

MXC = "mxc://example.org/secret"


def changed(file: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The same, but for one value; without it where the value is ``...``."""
    file = copy.deepcopy(file)
    *way, last = path.split(".")
    place = file
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return file


def altered(content: bytes) -> bytes:
    """Another last byte, whatever it was: a ciphertext has any."""
    return content[:-1] + bytes([content[-1] ^ 1])


def test_the_example_of_the_specification_is_parsed() -> None:
    file = EncryptedFile(SPECIFIED)
    assert file.url == SPECIFIED["url"]
    assert file.key == "aWF6-32KGYaC3A_FEUCk1Bt0JA37zP0wrStgmdCaW-0"
    assert file.counter.hex() == "c3eb04d797f349cd0000000000000000"
    assert file.sha256.hex().startswith("7dd48bbbf624471d")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("v", "v1"),
        ("v", ...),
        ("key", "a key"),
        ("key", ...),
        ("key.alg", "A128CTR"),
        ("key.kty", "RSA"),
        ("key.k", "c2hvcnQ"),
        ("key.k", "!" * 43),
        ("key.k", 7),
        ("key.k", "aWF6.32KGYaC3A~FEUCk1Bt0JA37zP0wrStgmdCaW.0"),
        ("iv", "w+sE15fzSc0"),
        ("iv", "w sE15fzSc0AAAAAAAAAAA"),
        ("iv", ...),
        ("hashes", ["sha256"]),
        ("hashes.sha256", "fdSLu"),
        ("hashes.sha256", ...),
    ],
)
def test_what_cannot_be_right_is_refused(path: str, value: object) -> None:
    with pytest.raises(errors.MalformedEncryptedFile, match=path.split(".")[0]) as caught:
        EncryptedFile(changed(SPECIFIED, path, value))
    assert caught.value.mxc == SPECIFIED["url"]
    assert "aWF6-32KGYaC3A" not in str(caught.value), "an error is for logs, a key is not"


@given(st.recursive(st.none() | st.integers() | st.text(), lambda deeper: st.dictionaries(st.text(), deeper)))
def test_any_other_value_is_refused_without_another_error(value: object) -> None:
    with pytest.raises(errors.MalformedEncryptedFile):
        EncryptedFile(value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("iv", "w+sE15fzSc0AAAAAAAAAAA=="),
        ("iv", "w-sE15fzSc0AAAAAAAAAAA"),
        ("key.k", "aWF6-32KGYaC3A_FEUCk1Bt0JA37zP0wrStgmdCaW-0="),
        ("key.k", "aWF6+32KGYaC3A/FEUCk1Bt0JA37zP0wrStgmdCaW+0"),
        ("hashes.sha256", "fdSLu_YkRx3Wyh3KQabP3rd6-SFiKg5lsJZQHtkSAYA"),
        ("hashes.sha256", "fdSLu/YkRx3Wyh3KQabP3rd6-SFiKg5lsJZQHtkSAYA="),
    ],
)
def test_padding_and_the_other_alphabet_mean_the_same(path: str, value: str) -> None:
    file, specified = EncryptedFile(changed(SPECIFIED, path, value)), EncryptedFile(SPECIFIED)
    for name in ("key", "counter", "sha256", "fingerprint"):
        assert getattr(file, name) == getattr(specified, name), name


def test_the_key_stays_out_of_keys_and_reprs() -> None:
    file = EncryptedFile(SPECIFIED)
    request = MediaRequest(file.url, encrypted=file)
    assert file.key not in repr(file) + repr(request) + request.key
    other = EncryptedFile(changed(SPECIFIED, "iv", "A" * 22))
    assert MediaRequest(file.url, encrypted=other).key != request.key, "another key is another media"
    assert request.ciphertext_request().key == file.url
    with pytest.raises(ValueError, match="thumbnail"):
        MediaRequest(file.url, width=96, height=96, encrypted=file)


def test_a_keyring_finds_files_by_their_handles() -> None:
    keyring = Keyring()
    good, bad = keyring.add(SPECIFIED), keyring.add({"url": MXC, "v": "v2"})
    found = keyring.find(good)
    assert found
    assert found.key == EncryptedFile(SPECIFIED).key
    assert keyring.find("") is None, "an element without a handle is not encrypted"
    for handle in (bad, "0", "3", "-1", "x", "²", "9" * 5000, str(SPECIFIED["url"])):
        with pytest.raises(errors.MalformedEncryptedFile):
            keyring.find(handle)


def test_an_event_cannot_affect_the_media_of_another() -> None:
    keyring = Keyring()
    theirs = keyring.add(SPECIFIED)
    keyring.add({**SPECIFIED, "iv": "A" * 22})
    found = keyring.find(theirs)
    assert found
    assert found.fingerprint == EncryptedFile(SPECIFIED).fingerprint


@pytest.fixture
def request_(script: Script) -> MediaRequest:
    """A request for a picture that the homeserver has encrypted."""
    ciphertext, file = encrypt(PICTURE)
    script.media["example.org/secret"] = ciphertext
    return MediaRequest(MXC, content_type="image/png", encrypted=EncryptedFile({**file, "url": MXC}))


# The other baselines need more of a homeserver than there is here; browser tests have them.
STRATEGIES = ["blob", "opfs", "link", "auto", "service_worker"]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_loads_encrypted_media(
    name: str, request_: MediaRequest, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    loader = open_loader(name, homeserver)

    async def scenario() -> None:
        media = await loader.load(request_)
        assert browser.object_urls[media.src].content == PICTURE
        assert browser.object_urls[media.src].content_type == "image/png"
        assert (media.strategy, media.source) == ("delegated" if name == "auto" else name, NETWORK)
        assert list(browser.object_urls) == [media.src], "no other copy is left"
        assert all("unstable" in r.url or r.url.startswith(("http://home.test", "blob:")) for r in browser.requests)
        again = await loader.load(request_)
        assert again.src == media.src
        loader.release(media)
        loader.release(again)
        loader.close()

    run(scenario())
    assert browser.object_urls == {}


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_reports_the_progress_of_the_ciphertext(
    name: str, request_: MediaRequest, homeserver: Homeserver
) -> None:
    reported: list[tuple[int, int]] = []

    async def scenario() -> None:
        loader = open_loader(name, homeserver)
        loader.release(
            await loader.load(request_, on_progress=lambda received, total: reported.append((received, total)))
        )
        loader.close()

    run(scenario())
    assert reported[0] == (len(PICTURE) // 2, len(PICTURE))


@pytest.mark.parametrize("name", STRATEGIES)
def test_another_ciphertext_is_an_error_and_shows_nothing(
    name: str, request_: MediaRequest, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    script.media["example.org/secret"] = altered(script.media["example.org/secret"])
    loader = open_loader(name, homeserver)

    async def scenario() -> None:
        with pytest.raises(errors.WrongHash) as caught:
            await loader.load(request_)
        assert caught.value.mxc == MXC

    run(scenario())
    assert browser.object_urls == {}


def test_on_disk_it_stays_encrypted_and_a_modified_file_is_requested_again(
    request_: MediaRequest, script: Script, homeserver: Homeserver, browser: Any
) -> None:
    ciphertext = script.media["example.org/secret"]

    async def load() -> str:
        loader = open_loader("opfs", homeserver)
        media = await loader.load(request_)
        assert browser.object_urls[media.src].content == PICTURE
        source = media.source
        loader.close()
        return source

    assert run(load()) == NETWORK
    (name,) = (name for name, content in browser.files.items() if content.endswith(ciphertext))
    assert PICTURE not in browser.files[name]
    assert run(load()) == DISK
    browser.files[name] = altered(browser.files[name])
    assert run(load()) == NETWORK
    assert browser.files[name].endswith(ciphertext)
    assert browser.object_urls == {}


def test_links_transfer_it_without_a_header(request_: MediaRequest, homeserver: Homeserver, browser: Any) -> None:
    run(open_loader("link", homeserver).load(request_))
    by_url = {request.url: request for request in browser.requests}
    assert len(by_url) == 2
    (minting,) = (request for url, request in by_url.items() if url.endswith(AUTHMEDIA_PREFIX + "/links"))
    (media,) = (request for url, request in by_url.items() if "/signed/" in url)
    assert "Authorization" in minting.headers
    assert media.headers == {}
