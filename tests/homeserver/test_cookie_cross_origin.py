"""The baseline `cookie`: pages of other origins and sites, and preflights."""

import pytest

from development.synapse import Synapse
from media_links.cookie import SameSite
from tests.homeserver.cookies import APP, cookie, get, is_refused, preflight, request_cookie, sealed_cookie
from tests.homeserver.support import PREFIX, Account, Mxc, picture


@pytest.mark.parametrize("same_site", ["Strict", "Lax", "None"])
@pytest.mark.parametrize("origin", [APP, "https://evil.example", "null"])
def test_no_page_may_read_media_by_cookie(
    baselines: Synapse, mia: Account, video: Mxc, same_site: str, origin: str
) -> None:
    """Not even the page that requested the cookie, which has an access token."""
    answer = get(baselines, video, cookie(mia, {"same_site": same_site}, Origin=APP), Origin=origin)
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
def test_page_that_requested_the_cookie_may_read_timings(
    baselines: Synapse, mia: Account, video: Mxc, origin: str | None, measured_by: str | None
) -> None:
    cookie_header = cookie(mia, **({"Origin": origin} if origin else {}))
    assert (
        get(baselines, video, cookie_header, Origin="https://evil.example").headers.get("timing-allow-origin")
        == measured_by
    )


@pytest.mark.parametrize("same_site", ["Strict", "Lax", "None"])
@pytest.mark.parametrize(
    ("site", "destination", "cross_site"),
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
    baselines: Synapse,
    mia: Account,
    still: Mxc,
    same_site: str,
    site: str,
    destination: str,
    cross_site: bool | None,
) -> None:
    """A page of another site may load media elements only, and only with a cookie that is `SameSite=None`."""
    cookie_header = sealed_cookie(mia, same_site=SameSite(same_site))
    answer = get(baselines, still, cookie_header, **{"Sec-Fetch-Site": site, "Sec-Fetch-Dest": destination})
    if cross_site is False or (cross_site and same_site == "None"):
        assert (answer.status, answer.body) == (200, picture())
    else:
        assert is_refused(answer, "DEV.AUTHMEDIA.OTHER_SITE", 403)


# --- preflights and credentials ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [APP, "http://localhost:8000", "null"])
def test_preflight_allows_credentials(baselines: Synapse, mia: Account, origin: str) -> None:
    answer = preflight(baselines, f"{PREFIX}/cookie", origin)
    assert answer.status == 204
    assert answer.headers["access-control-max-age"] == "86400"
    response = request_cookie(mia, Origin=origin)
    for headers in (answer.headers, response.headers):
        assert headers["access-control-allow-origin"] == origin
        assert headers["access-control-allow-credentials"] == "true"
        assert headers["vary"] == "Origin"
    # With credentials, an asterisk is no wildcard.
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type"} <= set(allowed)
    assert {"POST", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))


def test_no_credentials_without_an_origin(baselines: Synapse, mia: Account) -> None:
    for headers in (preflight(baselines, f"{PREFIX}/cookie", None).headers, dict(request_cookie(mia).headers)):
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
def test_other_paths_allow_no_credentials(baselines: Synapse, mia: Account, path: str) -> None:
    answers = [preflight(baselines, path).headers, dict(mia.http.get(path, headers={"Origin": APP}).headers)]
    for headers in answers:
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers
