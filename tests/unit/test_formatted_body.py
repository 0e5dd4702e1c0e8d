"""The markup of messages: what is on the allow-list is rendered, and nothing else."""

import pytest

import tests.unit.support  # noqa: F401  (puts the fake browser in place)
from demo import formatted_body
from demo.formatted_body import draw_formatted
from tests.unit.fake_dom import Element


def rendered(html: str) -> str:
    into = Element("div")
    assert draw_formatted(html, into)
    return "".join(text_of(child) for child in into.children)


def text_of(element: Element) -> str:
    if element.tag == "#text":
        return element.text
    given = "".join(f" {name}={value}" for name, value in element.given.items())
    return (
        f"<{element.tag}{given}>{element.text}{''.join(text_of(child) for child in element.children)}</{element.tag}>"
    )


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("a <b>b</b> &amp; &#99;&#x64;", "a <b>b</b> & cd"),
        ("<strong>a<em>b</strong>c", "<strong>a<em>b</em></strong>c"),
        ("<script>alert(1)</script>a", "a"),
        ("<SCRIPT>a<b></SCRIPT >b", "b"),
        ("<mx-reply>quoted <i>text</i></mx-reply>answer", "answer"),
        ("<b onclick='x()' style=y>a</b>", "<b>a</b>"),
        ("<unknown a=b>a</unknown>", "a"),
        ("a < b > c <", "a < b > c <"),
        ("<!-- <b>a</b> -->b<!-- c", "b"),
        ("<a href='javascript:x'>a</a>", "<span>a</span>"),
        ("<a href=' JavaScript:x'>a</a>", "<span>a</span>"),
        (
            "<a href=https://a.test/?b&amp;c>a</a>",
            "<a href=https://a.test/?b&c rel=noopener noreferrer target=_blank>a</a>",
        ),
        ("<img src=https://a.test/spy alt=spy onerror=x>", "<span>spy</span>"),
        (
            '<img data-mx-emoticon src="mxc://a/b" alt=":a:">',
            "<img class=emoticon alt=:a: title=:a: data-mxc=mxc://a/b data-width=64 data-height=64 data-animated=true"
            " data-label=:a:></img>",
        ),
        ("<h1>a</h1>", "<p>a</p>"),
        ("<b title='a>b'>c</b>", "<b>c</b>"),
        ("<b", "<b></b>"),
        ("</b>a</i>", "a"),
        ("&notanentity; &#xffffff; &#0; &", "&notanentity; &#xffffff; &#0; &"),
    ],
)
def test_allowed_markup_is_rendered_and_no_other(html: str, shown: str) -> None:
    assert rendered(html) == shown


def test_a_spoiler_is_closed_until_it_is_opened() -> None:
    assert rendered('<span data-mx-spoiler="why">a</span>') == (
        "<details class=spoiler><summary>Spoiler: why</summary>a</details>"
    )


def test_too_much_markup_is_left_to_the_plain_text() -> None:
    into = Element("div")
    assert not draw_formatted("<b>" * 2000, into)
    assert not draw_formatted("a" * 60_000, into)
    assert into.children == []


def test_deep_markup_is_cut() -> None:
    assert rendered("<b>" * 200 + "a").count("<b>") == 50


def test_no_character_is_looked_at_for_each_bracket(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    real = formatted_body._end_of_tag

    def end_of_tag(*arguments: str) -> int:
        looked_at.append(len(arguments[0]))
        return real(*arguments)

    monkeypatch.setattr(formatted_body, "_end_of_tag", end_of_tag)
    hostile = "< " * 900 + "\u00e4" * 40_000
    assert rendered(hostile) == hostile
    assert looked_at == []


def test_a_tag_of_any_length_is_left_out() -> None:
    assert rendered("<b " + "\u00e4" * 40_000 + ">a<i>b</i>") == "a<i>b</i>"
    assert rendered("a<b " + "\u00e4" * 40_000) == "a"
