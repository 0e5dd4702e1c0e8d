"""Media that fail at first and appear by themselves, in WebKitGTK."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.binding_harness import MediaSet
from tests.browser.matrix_room import picture
from tests.browser.test_media_in_the_wild import NOT_YET, THUMBNAIL, WAITING
from tests.browser.webkit_pages import add_to_webkit, failure_words, open_binding, wait_for_webkit
from tests.evidence.compare.webkit import WebKitTab
from tests.homeserver.support import wait_for
from tests.relay import Relay
from web.demonstration import Demonstration

STRATEGIES = ("link", "blob")

pytestmark = pytest.mark.full_matrix


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> Iterator[MediaSet]:
    media_set = MediaSet(demonstration.synapse, "webkit-recovery", 3)
    yield media_set
    media_set.room.close()


@pytest.fixture
def relay(demonstration: Demonstration) -> Iterator[Relay]:
    with Relay(demonstration.synapse.port) as relay:
        yield relay


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_webkit_loads_again_what_failed_for_want_of_a_network(
    webkit_tab: WebKitTab,
    site_for: Callable[..., str],
    binding_site: Path,
    media_set: MediaSet,
    relay: Relay,
    strategy: str,
) -> None:
    site = site_for({**media_set.room.account, "homeserver": relay.url}, binding_site)
    open_binding(webkit_tab, site, strategy=strategy)
    relay.cut()
    add_to_webkit(webkit_tab, media_set.pictures)
    wait_for_webkit(webkit_tab, "img[data-mxc]", "failed")
    assert failure_words(webkit_tab).startswith(WAITING)
    relay.open()
    wait_for_webkit(webkit_tab, "img[data-mxc]")
    assert failure_words(webkit_tab) == ""


def test_a_media_appears_in_webkit_once_it_is_uploaded(
    webkit_tab: WebKitTab,
    site_for: Callable[..., str],
    binding_site: Path,
    media_set: MediaSet,
) -> None:
    mxc = media_set.room.reserve()
    open_binding(webkit_tab, site_for(media_set.room.account, binding_site), strategy="bundle")
    add_to_webkit(webkit_tab, [mxc], **THUMBNAIL)
    wait_for(lambda: failure_words(webkit_tab).startswith(NOT_YET), 30, "the words")
    media_set.room.upload_reserved(mxc, picture(99))
    wait_for_webkit(webkit_tab, "img[data-mxc]")
