"""Browsers that lack what the pages need: a fallback, or words that say what is switched off and where."""

from tests.conftest import OpenTab, only_chromium


@only_chromium
def test_missing_features_have_a_fallback_or_words(open_tab: OpenTab) -> None:
    old = open_tab("")
    old.page.add_init_script("delete Promise.withResolvers; delete Array.fromAsync;")
    old.open("opfs", fresh="1")
    assert old.state == "done", old.page.locator("#problem").inner_text()
    safer = open_tab("")
    safer.page.add_init_script("delete globalThis.WebAssembly;")
    safer.open("link")
    assert safer.state == "failed"
    words = safer.page.locator("#problem").inner_text()
    assert "WebAssembly" in words
    assert "Tor Browser" in words
    assert "opfs would work, too" in words
    assert "ReferenceError" not in words
