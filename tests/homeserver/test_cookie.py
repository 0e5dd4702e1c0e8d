"""The baseline `cookie`: a header becomes a cookie, and the cookie opens media, for as long and to whom it should."""

import hashlib
import json
import re
import time
from typing import Any

import httpx
import pytest

from development.synapse import Synapse
from media_links.cookie import SameSite, Ticket
from media_links.sessions import Anchor, Session, token_digest
from media_links.signing import Keyring
from tests.homeserver.conftest import BASELINE_SECRETS
from tests.homeserver.support import (
    NOT_SHOWN,
    PAGE,
    PREFIX,
    Account,
    Answer,
    Mxc,
    animation,
    image,
    noise,
    picture,
    query,
    readable,
    send,
    wait_for,
)

APP = "https://app.example"
FILM = noise(300_000, "cookie")
SECRETS = {key_id: secret.encode() for key_id, secret in BASELINE_SECRETS.items()}
KINDS = [(same_site, partitioned) for same_site in ("Strict", "Lax", "None") for partitioned in (False, True)]


@pytest.fixture(scope="module")
def mia(baselines: Synapse) -> Account:
    """Somebody for the tests that leave a session as it is."""
    return Account.new(baselines)


@pytest.fixture(scope="module")
def film(mia: Account) -> Mxc:
    return mia.upload(FILM, "video/mp4", "film.mp4")


@pytest.fixture(scope="module")
def still(mia: Account) -> Mxc:
    return mia.upload(picture(), "image/png", "still.png")


def ask(account: Account, body: Any = None, **headers: str) -> httpx.Response:
    return account.http.post(f"{PREFIX}/cookie", json=body, headers=headers)


def given(answer: httpx.Response) -> list[str]:
    """The value of the cookie that was set, and its attributes."""
    (line,) = answer.raise_for_status().headers.get_list("set-cookie")
    return [part.strip() for part in line.split(";")]


def cookie(account: Account, body: Any = None, **headers: str) -> str:
    """What the browser would send."""
    return given(ask(account, body, **headers))[0]


def address(synapse: Synapse, mxc: Mxc, **wanted: Any) -> str:
    url = f"http://127.0.0.1:{synapse.port}{PREFIX}/cookie/{mxc.names}"
    return str(httpx.URL(url, params=query(wanted))) if wanted else url


def get(synapse: Synapse, mxc: Mxc, shown: str, method: str = "GET", **headers: str) -> Answer:
    return send(address(synapse, mxc), method, {"Cookie": shown, **headers})


def token_id(account: Account) -> str:
    """The row of the account's access token, out of its own cookie: tests know the secrets that it is sealed with."""
    value = cookie(account).partition("=")[2]
    return Ticket.unseal(Keyring(SECRETS.items()), value).session.anchor_id


def made(mia: Account, key_id: str = "new", **changes: Any) -> str:
    """A cookie as the homeserver would make it of these parts, whose secrets we know."""
    parts = {
        "session": Session(mia.user_id, Anchor.TOKEN, token_id(mia), token_digest(mia.token)),
        "expires_ms": int(time.time() * 1000) + 60_000,
        "same_site": SameSite.LAX,
        "origin": None,
    }
    ticket = Ticket(**{**parts, **changes})
    return f"media_links={ticket.seal(Keyring([(key_id, SECRETS[key_id])]))}"


# --- asking for it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("same_site", "partitioned"), KINDS)
@pytest.mark.parametrize("secure", [False, True])
def test_attributes(
    baselines: Synapse, mia: Account, secure_port: int, same_site: str, partitioned: bool, secure: bool
) -> None:
    if secure:
        url = f"http://127.0.0.1:{secure_port}{PREFIX}/cookie"
        headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    else:
        url, headers = f"{PREFIX}/cookie", {"X-Forwarded-Proto": "https"}
    answer = mia.http.post(url, json={"same_site": same_site, "partitioned": partitioned}, headers=headers)
    value, *attributes = given(answer)
    expected = {f"Path={PREFIX}/cookie/", "HttpOnly", f"SameSite={same_site}"}
    expected |= {"Secure"} if secure or partitioned or same_site == "None" else set()
    expected |= {"Partitioned"} if partitioned else set()
    expected |= {f"Max-Age={answer.json()['expires_in_ms'] // 1000}"}
    assert set(attributes) == expected
    assert len(attributes) == len(expected)
    assert re.fullmatch(r"media_links=new\.[A-Za-z0-9_-]+", value)


@pytest.mark.parametrize("body", [None, {}, {"partitioned": False}, {"same_site": "Lax"}])
def test_attributes_unless_asked_for(mia: Account, body: Any) -> None:
    attributes = given(ask(mia, body))
    assert "SameSite=Lax" in attributes
    assert not {"Secure", "Partitioned"} & set(attributes)


def test_body_may_be_left_out(mia: Account) -> None:
    assert "SameSite=Lax" in given(mia.http.post(f"{PREFIX}/cookie"))


def test_it_lives_as_long_as_a_link_would(mia: Account, still: Mxc) -> None:
    (link,) = mia.links({"mxc": still.uri})
    left_ms = link["expires_ts"] - time.time() * 1000
    assert abs(ask(mia).json()["expires_in_ms"] - left_ms) < 10_000


def test_it_is_the_same_each_time_and_each_sessions_own(mia: Account) -> None:
    """Or the browser's cache, which keeps answers by the cookie that they were given for, would be of no use."""
    assert cookie(mia) == cookie(mia)
    others = [cookie(mia.again()), cookie(mia, {"same_site": "Strict"}), cookie(mia, Origin=APP)]
    assert len({cookie(mia), *others}) == 4


def test_nobody_can_read_it(mia: Account) -> None:
    value = readable(cookie(mia, Origin=APP))
    for secret in (mia.token, mia.user_id.split(":")[0].strip("@"), mia.device_id, "app.example", "Lax"):
        assert secret.encode() not in value


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"same_site": "lax"}, "M_INVALID_PARAM"),
        ({"same_site": None}, "M_INVALID_PARAM"),
        ({"same_site": "Lax; Domain=example"}, "M_INVALID_PARAM"),
        ({"same_site": ["Lax"]}, "M_INVALID_PARAM"),
        ({"partitioned": "true"}, "M_BAD_JSON"),
        ({"partitioned": 1}, "M_BAD_JSON"),
        ([], "M_BAD_JSON"),
    ],
)
def test_wrong_wishes(mia: Account, body: Any, errcode: str) -> None:
    answer = ask(mia, body)
    assert (answer.status_code, answer.json()["errcode"]) == (400, errcode)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    ("headers", "errcode"), [({}, "M_MISSING_TOKEN"), ({"Authorization": "Bearer x"}, "M_UNKNOWN_TOKEN")]
)
def test_it_needs_an_access_token(mia: Account, method: str, headers: dict[str, str], errcode: str) -> None:
    answer = httpx.request(
        method,
        str(mia.http.base_url.join(f"{PREFIX}/cookie")),
        headers={"Cookie": cookie(mia), "Origin": APP, **headers},
    )
    assert (answer.status_code, answer.json()["errcode"]) == (401, errcode)
    assert "set-cookie" not in answer.headers
    # Or the page could not read why.
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-credentials"] == "true"


def test_rate_limit_is_each_users_own_and_apart_from_that_of_links(bound: Synapse) -> None:
    account = Account.new(bound)
    assert [ask(account).status_code for _ in range(4)] == [200] * 4
    for session in (account, account.again()):
        refused = ask(session)
        assert (refused.status_code, refused.json()["errcode"]) == (429, "M_LIMIT_EXCEEDED")
        assert "set-cookie" not in refused.headers
    assert ask(Account.new(bound)).status_code == 200
    assert account.link(account.upload(b"x", "text/plain"))


def test_it_is_taken_back_whichever_kind_it_is(mia: Account) -> None:
    answer = mia.http.delete(f"{PREFIX}/cookie")
    assert answer.json() == {}
    lines = answer.headers.get_list("set-cookie")
    for line in lines:
        assert line.startswith(f"media_links=; Path={PREFIX}/cookie/; Max-Age=0; HttpOnly; SameSite=")
    kinds = {("Secure" in line, "Partitioned" in line, "SameSite=None" in line) for line in lines}
    assert kinds == {(False, False, False), (True, False, True), (True, True, True)}


# --- media ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("same_site", "partitioned"), KINDS)
def test_media_for_who_shows_it(baselines: Synapse, mia: Account, film: Mxc, same_site: str, partitioned: bool) -> None:
    answer = get(baselines, film, cookie(mia, {"same_site": same_site, "partitioned": partitioned}))
    assert answer.status == 200
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(FILM).digest()
    assert answer.headers["content-type"] == "video/mp4"
    embedded_by = "cross-origin" if same_site == "None" else "same-site"
    assert answer.headers["cross-origin-resource-policy"] == embedded_by


def test_headers(baselines: Synapse, mia: Account, film: Mxc) -> None:
    answer = get(baselines, film, cookie(mia), Origin=APP)
    left_s = ask(mia).json()["expires_in_ms"] // 1000
    found = re.fullmatch(r"private, max-age=(\d+)", answer.headers["cache-control"])
    assert found
    assert left_s <= int(found[1]) <= left_s + 10
    assert answer.headers["vary"] == "Cookie"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none';")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("content_type", "name"), NOT_SHOWN)
def test_what_a_browser_would_run_is_saved(baselines: Synapse, mia: Account, content_type: str, name: str) -> None:
    answer = get(baselines, mia.upload(b"x", content_type, name), cookie(mia))
    assert (answer.status, answer.body) == (200, b"x")
    assert answer.headers["content-disposition"] == f"attachment; filename={name}"


def test_range_tag_and_head(baselines: Synapse, mia: Account, film: Mxc) -> None:
    shown = cookie(mia)
    part = get(baselines, film, shown, Range="bytes=1000-199999")
    assert (part.status, part.body) == (206, FILM[1000:200_000])
    assert part.headers["content-range"] == f"bytes 1000-199999/{len(FILM)}"
    head = get(baselines, film, shown, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(FILM)))
    same = get(baselines, film, shown, **{"If-None-Match": head.headers["etag"]})
    assert (same.status, same.body) == (304, b"")
    outside = get(baselines, film, shown, Range=f"bytes={len(FILM)}-")
    assert outside.status == 416
    for answer in (part, head, same, outside):
        assert answer.headers["vary"] == "Cookie"
        assert answer.headers["cross-origin-resource-policy"] == "same-site"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        ({"width": 64, "height": 64}, (64, 40)),
        ({"width": 64, "height": 64, "method": "crop"}, (64, 64)),
        ({"width": 100, "height": 20, "method": "crop"}, (100, 20)),
    ],
)
def test_thumbnail(baselines: Synapse, mia: Account, still: Mxc, wanted: dict[str, Any], size: tuple[int, int]) -> None:
    answer = send(address(baselines, still, **wanted), headers={"Cookie": cookie(mia)})
    assert answer.body == mia.thumbnail(still, **wanted).content
    assert image(answer.body).size == size


@pytest.mark.parametrize("animated", [False, True])
def test_animated_thumbnail(baselines: Synapse, mia: Account, animated: bool) -> None:
    url = address(baselines, mia.upload(animation(), "image/gif"), width=50, height=50, animated=animated)
    assert getattr(image(send(url, headers={"Cookie": cookie(mia)}).body), "n_frames", 1) == (3 if animated else 1)


@pytest.mark.parametrize(
    ("wanted", "errcode"),
    [
        ({"width": 64}, "M_MISSING_PARAM"),
        ({"method": "crop"}, "M_MISSING_PARAM"),
        ({"width": 0, "height": 64}, "M_INVALID_PARAM"),
        ({"width": 64, "height": 64, "method": "other"}, "M_INVALID_PARAM"),
    ],
)
def test_no_thumbnail(baselines: Synapse, mia: Account, still: Mxc, wanted: dict[str, Any], errcode: str) -> None:
    answer = send(address(baselines, still, **wanted), headers={"Cookie": cookie(mia)})
    assert (answer.status, answer.error) == (400, errcode)


def test_media_that_is_not_there(baselines: Synapse, mia: Account) -> None:
    answer = get(baselines, Mxc("mxc://localhost/nothing"), cookie(mia))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
    assert answer.headers["cache-control"] == "no-store"
    assert get(baselines, Mxc("mxc://a%20b/x"), cookie(mia)).status == 400


def show(synapse: Synapse, shown: str, method: str = "GET", **headers: str) -> Answer:
    """The picture by which a page learns whether its cookie comes along."""
    return send(f"http://127.0.0.1:{synapse.port}{PREFIX}/cookie/picture", method, {"Cookie": shown, **headers})


@pytest.mark.parametrize(("same_site", "partitioned"), KINDS)
def test_picture_for_who_shows_it(baselines: Synapse, mia: Account, same_site: str, partitioned: bool) -> None:
    answer = show(baselines, cookie(mia, {"same_site": same_site, "partitioned": partitioned}))
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/svg+xml"
    assert len(answer.body) == int(answer.headers["content-length"]) > 0
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    embedded_by = "cross-origin" if same_site == "None" else "same-site"
    assert answer.headers["cross-origin-resource-policy"] == embedded_by


def test_picture_for_nobody_else(baselines: Synapse, mia: Account) -> None:
    assert refused(show(baselines, ""), "M_MISSING_TOKEN")
    assert refused(show(baselines, cookie(mia)[:-4]))
    assert refused(show(baselines, made(mia, expires_ms=int(time.time() * 1000))))
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
    assert refused(show(baselines, cookie(mia), **elsewhere), "DEV.AUTHMEDIA.OTHER_SITE", 403)
    assert show(baselines, cookie(mia, {"same_site": "None"}), **elsewhere).status == 200
    assert show(baselines, cookie(mia), "HEAD").body == b""


# --- cookies that must not work ---------------------------------------------------------------------------------------


def refused(answer: Answer, errcode: str = "M_UNKNOWN_TOKEN", status: int = 401) -> bool:
    if answer.status == 200:
        return False
    assert (answer.status, answer.error) == (status, errcode)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Cookie"
    assert answer.headers["cross-origin-resource-policy"] == "same-site"
    assert "timing-allow-origin" not in answer.headers
    assert "access-control-allow-credentials" not in answer.headers
    return True


@pytest.mark.parametrize("shown", ["", "other=1", "xmedia_links=1; media_links2=2", "media_link=s"])
def test_no_cookie(baselines: Synapse, mia: Account, film: Mxc, shown: str) -> None:
    assert refused(get(baselines, film, shown), "M_MISSING_TOKEN")
    assert refused(get(baselines, film, shown, Authorization=f"Bearer {mia.token}"), "M_MISSING_TOKEN")


@pytest.mark.parametrize(
    "alter",
    [
        lambda value: "",
        lambda value: value[:-4],
        lambda value: value[:20] + ("A" if value[20] != "A" else "B") + value[21:],
        lambda value: value.replace("new.", "old."),
        lambda value: value.replace("new.", "none."),
        lambda value: value.replace("new.", ""),
        lambda value: "new.",
        lambda value: "\xff\xfe",
        lambda value: '"' + value,
    ],
)
def test_altered(baselines: Synapse, mia: Account, film: Mxc, alter: Any) -> None:
    name, _, value = cookie(mia).partition("=")
    assert refused(get(baselines, film, f"{name}={alter(value)}"))


def test_expired(baselines: Synapse, mia: Account, film: Mxc) -> None:
    now_ms = int(time.time() * 1000)
    assert get(baselines, film, made(mia, expires_ms=now_ms + 60_000)).status == 200
    assert refused(get(baselines, film, made(mia, expires_ms=now_ms)))
    assert refused(get(baselines, film, made(mia, expires_ms=now_ms), **{"If-None-Match": "*"}))


def test_secret_that_is_being_changed(baselines: Synapse, mia: Account, film: Mxc) -> None:
    assert get(baselines, film, made(mia, "old")).status == 200


def test_what_was_sealed_for_something_else_is_no_cookie(baselines: Synapse, mia: Account, film: Mxc) -> None:
    """A link has a session sealed by the same key, and so has the query of the other baseline."""
    found = re.search(r"k=(\w+)&e=\d+&s=([\w-]+)", mia.link(film))
    assert found
    token_id = mia.http.get(f"{PREFIX}/config").json()["signed_query"]["token_id"]
    for value in (f"{found[1]}.{found[2]}", token_id):
        assert refused(get(baselines, film, f"media_links={value}"))


def sealed(mia: Account, purpose: str | None = "cookie", **changes: Any) -> str:
    """A cookie of these parts in the order in which they stand in one, sealed for this purpose."""
    now_ms = int(time.time() * 1000)
    parts = {"expires": now_ms + 60_000, "same_site": "Lax", "origin": None, "anchor": "t", "user": mia.user_id}
    parts |= {"token": token_id(mia), "digest": token_digest(mia.token), **changes}
    text = json.dumps([part for part in parts.values() if part != "left out"]).encode()
    return f"media_links=new.{Keyring([('new', SECRETS['new'])]).seal(text, purpose)}"


def test_what_was_sealed_for_another_purpose(baselines: Synapse, mia: Account, film: Mxc) -> None:
    assert get(baselines, film, sealed(mia)).status == 200
    for purpose in (None, "token id"):
        assert refused(get(baselines, film, sealed(mia, purpose)))


@pytest.mark.parametrize("changes", [{"same_site": "Other"}, {"anchor": "x"}, {"digest": "left out"}, {"more": 1}])
def test_parts_that_make_no_sense(baselines: Synapse, mia: Account, film: Mxc, changes: dict[str, Any]) -> None:
    assert refused(get(baselines, film, sealed(mia, **changes)))


def test_good_one_beside_an_old_one(baselines: Synapse, mia: Account, film: Mxc) -> None:
    """A browser sends its partitioned cookie and the other one, in an order of its own."""
    old, good = made(mia, expires_ms=1), cookie(mia)
    for shown in (f"{old}; {good}", f"{good}; {old}", f"a=1;{good};b", f"{old}; x={good}; {good}"):
        assert get(baselines, film, shown).status == 200
    assert refused(get(baselines, film, "; ".join([old] * 4 + [good])))


def test_it_dies_with_its_session(baselines: Synapse, mia: Account, film: Mxc) -> None:
    account = Account.new(baselines)
    other = account.again()
    shown, others = cookie(account), cookie(other)
    assert [get(baselines, film, one).status for one in (shown, others)] == [200, 200]
    account.http.post("/_matrix/client/v3/logout").raise_for_status()
    wait_for(lambda: refused(get(baselines, film, shown)), what="the cookie's end")
    assert get(baselines, film, others).status == 200


def test_person_sees_a_page(baselines: Synapse, mia: Account, film: Mxc) -> None:
    for shown, site, status in (("", "none", 401), ("media_links=x", "none", 401), (cookie(mia), "cross-site", 403)):
        answer = get(baselines, film, shown, **PAGE, **{"Sec-Fetch-Site": site})
        assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert "<title>This opens in your chat only</title>" in answer.body.decode()
        assert answer.headers["cache-control"] == "no-store"
    assert get(baselines, film, cookie(mia), **PAGE, **{"Sec-Fetch-Site": "none"}).body == FILM


# --- pages of other origins and sites ---------------------------------------------------------------------------------


@pytest.mark.parametrize("same_site", ["Strict", "Lax", "None"])
@pytest.mark.parametrize("origin", [APP, "https://evil.example", "null"])
def test_no_page_may_read_what_the_cookie_opens(
    baselines: Synapse, mia: Account, film: Mxc, same_site: str, origin: str
) -> None:
    """Not even the one that asked for the cookie: it has its access token for that."""
    answer = get(baselines, film, cookie(mia, {"same_site": same_site}, Origin=APP), Origin=origin)
    assert answer.status == 200
    assert not {"access-control-allow-origin", "access-control-allow-credentials"} & set(answer.headers)


@pytest.mark.parametrize(
    ("origin", "measured_by"),
    [
        (APP, APP),
        ("http://localhost:8000", "http://localhost:8000"),
        ("tauri://localhost", "tauri://localhost"),
        ("null", None),
        ("*", None),
        ("https://a.example, *", None),
        (None, None),
    ],
)
def test_page_that_asked_for_it_may_measure(
    baselines: Synapse, mia: Account, film: Mxc, origin: str | None, measured_by: str | None
) -> None:
    shown = cookie(mia, **({"Origin": origin} if origin else {}))
    assert get(baselines, film, shown, Origin="https://evil.example").headers.get("timing-allow-origin") == measured_by


@pytest.mark.parametrize("same_site", ["Strict", "Lax", "None"])
@pytest.mark.parametrize(
    ("site", "destination", "elsewhere"),
    [
        ("same-origin", "image", False),
        ("same-origin", "empty", False),
        ("same-site", "video", False),
        ("none", "document", False),
        ("cross-site", "image", True),
        ("cross-site", "video", True),
        ("cross-site", "audio", True),
        ("cross-site", "document", None),
        ("cross-site", "iframe", None),
        ("cross-site", "embed", None),
        ("cross-site", "object", None),
        ("cross-site", "script", None),
        ("cross-site", "style", None),
        ("cross-site", "empty", None),
    ],
)
def test_pages_of_other_sites(
    baselines: Synapse, mia: Account, still: Mxc, same_site: str, site: str, destination: str, elsewhere: bool | None
) -> None:
    """From elsewhere only a client's own elements are answered, and only where it has said that it is elsewhere."""
    shown = made(mia, same_site=SameSite(same_site))
    answer = get(baselines, still, shown, **{"Sec-Fetch-Site": site, "Sec-Fetch-Dest": destination})
    if elsewhere is False or (elsewhere and same_site == "None"):
        assert (answer.status, answer.body) == (200, picture())
    else:
        assert refused(answer, "DEV.AUTHMEDIA.OTHER_SITE", 403)


# --- what pages may ask -----------------------------------------------------------------------------------------------


def preflight(synapse: Synapse, path: str, origin: str | None = APP) -> Answer:
    headers: dict[str, str | bytes] = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    if origin:
        headers["Origin"] = origin
    return send(f"http://127.0.0.1:{synapse.port}{path}", "OPTIONS", headers)


@pytest.mark.parametrize("origin", [APP, "http://localhost:8000", "null"])
def test_preflight_allows_credentials(baselines: Synapse, mia: Account, origin: str) -> None:
    answer = preflight(baselines, f"{PREFIX}/cookie", origin)
    assert answer.status == 204
    assert answer.headers["access-control-max-age"] == "86400"
    given = ask(mia, Origin=origin)
    for headers in (answer.headers, given.headers):
        assert headers["access-control-allow-origin"] == origin
        assert headers["access-control-allow-credentials"] == "true"
        assert headers["vary"] == "Origin"
    # With credentials an asterisk stands for nothing.
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type"} <= set(allowed)
    assert {"POST", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))


def test_without_an_origin_there_are_no_credentials(baselines: Synapse, mia: Account) -> None:
    for headers in (preflight(baselines, f"{PREFIX}/cookie", None).headers, dict(ask(mia).headers)):
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers
        assert headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "path",
    [
        f"{PREFIX}/cookie/localhost/abc",
        f"{PREFIX}/cookie/",
        f"{PREFIX}/cookies",
        f"{PREFIX}/config",
        f"{PREFIX}/links",
        f"{PREFIX}/link/localhost/cookie",
        f"{PREFIX}/signed/localhost/abc",
        f"{PREFIX}/query/localhost/abc",
        "/_matrix/client/versions",
        "/_matrix/client/v3/account/whoami",
    ],
)
def test_no_other_path_takes_credentials(baselines: Synapse, mia: Account, path: str) -> None:
    answers = [preflight(baselines, path).headers, dict(mia.http.get(path, headers={"Origin": APP}).headers)]
    for headers in answers:
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers


# --- switched off -----------------------------------------------------------------------------------------------------


def test_switched_off(synapse: Synapse, ana: Account, photo: Mxc) -> None:
    answers = [
        ask(ana, Origin=APP),
        ana.http.delete(f"{PREFIX}/cookie"),
        ana.http.get(f"{PREFIX}/cookie/{photo.names}"),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["errcode"]) == (404, "M_UNRECOGNIZED")
        assert "set-cookie" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-credentials" not in preflight(synapse, f"{PREFIX}/cookie").headers


def test_config_says_what_is_on(mia: Account) -> None:
    assert mia.http.get(f"{PREFIX}/config").json()["baselines"] == {"cookie": True, "signed_query": True}
