"""The documentation's build: it is strict, cached, has every public name, and loads nothing from another host."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import authmedia
from web import documentation, documentation_regions, site
from web.docstring_examples import fence_examples

# What a browser loads without being asked; `a` is not among them.
LOADING = {"img", "script", "link", "iframe", "source", "video", "audio", "embed", "object", "image", "use"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("documentation") / "docs"
    documentation.build(out)
    return out


class Loaded(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in LOADING:
            self.urls += [value for name, value in attrs if name in {"src", "href", "data", "poster"} and value]


def test_every_page_is_built(built: Path) -> None:
    pages = {path.relative_to(documentation.ROOT / "docs").with_suffix(".html") for path in sources()}
    assert {path.relative_to(built) for path in built.rglob("*.html")} == {*pages, Path("404.html")}
    assert (built / "search.json").is_file()


def test_pages_load_nothing_but_the_sites_own_files(built: Path) -> None:
    for page in built.rglob("*.html"):
        if page.name == "404.html":  # whose links begin at the root of its host, wherever that is
            continue
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert loaded.urls
        for url in loaded.urls:
            assert (page.parent / re.sub(r"[?#].*", "", url)).is_file(), f"{page.name}: {url}"


def test_every_table_is_in_a_region_with_a_name_of_its_own(built: Path) -> None:
    for page in built.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        names = re.findall(r'<div class="table-region" role="region" tabindex="0" aria-label="([^"]+)"><table>', html)
        assert len(names) == len(set(names)) == html.count("<table>"), page.name


def test_code_takes_focus(built: Path) -> None:
    html = (built / "applications.html").read_text()
    assert html.count("<pre") == len(re.findall(r'<pre[^>]*>(?:<span></span>)?<code tabindex="0"', html)) > 0


def test_a_region_has_the_name_of_its_heading() -> None:
    table = "<table><tr><td>1</td></tr></table>"
    heading = (
        '<h2 id="a-b">A &amp; <code>b</code><a class="headerlink" href="#a-b" title="Permanent link">&para;</a></h2>'
    )
    reference = '<h6 id="authmedia.Binder.retry" class="doc doc-heading"><span>retry</span> <small>method</small></h6>'
    made = documentation_regions.with_regions(table + heading + table + "<p>" + table + reference + table)
    assert re.findall(r'aria-label="([^"]+)"', made) == [
        "Page, table",
        "A &amp; b, table",
        "A &amp; b, table 2",
        "retry, table",
    ]
    assert re.sub(r'<div class="table-region"[^>]*>|</div>', "", made).count(table) == 4


def test_style_sheets_load_nothing_from_elsewhere(built: Path) -> None:
    for sheet in built.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//", text), sheet.name


def test_every_public_name_is_documented(built: Path) -> None:
    page = (built / "api" / "index.html").read_text(encoding="utf-8")
    for name in authmedia.__all__:
        assert f'id="authmedia.{name}"' in page, name


def test_every_package_of_the_library_is_documented() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sources())
    library = documentation.ROOT / "pyapp" / "authmedia"
    for path in library.iterdir():
        if (path.suffix == ".py" and path.name != "__init__.py") or (path / "__init__.py").exists():
            assert f"::: authmedia.{path.stem}\n" in text


def test_examples_are_code(built: Path) -> None:
    for page in (built / "api").glob("*.html"):
        assert "&gt;&gt;&gt;" not in page.read_text(encoding="utf-8"), page.name
    assert fence_examples("Adds.\n\n    >>> add(1,\n    ...     2)\n    >>>\n\nEnd.") == (
        "Adds.\n\n```python\nadd(1,\n    2)\n\n```\n\nEnd."
    )


@pytest.mark.parametrize("text", ["[a page](missing.md)", "[a heading](#missing)", "::: authmedia.missing"])
def test_an_error_in_a_page_ends_the_build(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# A page\n\n{text}\n")
    (tmp_path / "web").mkdir()
    settings = (documentation.ROOT / "zensical.toml").read_text(encoding="utf-8")
    (tmp_path / "zensical.toml").write_text(re.sub(r"^nav = \[.*?^\]$", "", settings, flags=re.MULTILINE | re.DOTALL))
    for name in ("pyapp", "homeserver", "CONTRIBUTING.md", "CHANGELOG.md", "web/docstring_examples.py"):
        (tmp_path / name).symlink_to(documentation.ROOT / name)
    monkeypatch.setattr(documentation, "ROOT", tmp_path)
    monkeypatch.setattr(documentation, "_CACHE", tmp_path / "cache")
    with pytest.raises(documentation.DocumentationError, match="missing"):
        documentation.build(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_earlier_build_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    documentation.build(tmp_path / "docs")
    (tmp_path / "docs" / "mine.html").write_text("mine")
    stale = tmp_path / "docs" / "api" / "stale.html"
    stale.write_text("stale")
    with (tmp_path / "docs" / "authmedia-build.txt").open("a") as file_list:
        file_list.write("api/stale.html\n")
    documentation.build(tmp_path / "docs")
    assert (tmp_path / "docs" / "mine.html").read_text() == "mine"
    assert not stale.exists()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is no earlier build"):
        documentation.build(tmp_path)


def test_every_page_of_the_site_links_to_the_documentation(tmp_path: Path) -> None:
    documentation.build(tmp_path / "docs")  # the site takes the place of it
    site.build(tmp_path)
    for page in site.PAGES:
        assert 'href="docs/index.html"' in (tmp_path / f"{page.name}.html").read_text(encoding="utf-8")
    for name in ("docs/index.html", "docs/index.html.br", "docs/api/index.html"):
        assert (tmp_path / name).is_file()
        assert name in (tmp_path / "authmedia-build.txt").read_text(encoding="utf-8").splitlines()
    documentation.build(tmp_path / "docs")


def sources() -> list[Path]:
    return sorted((documentation.ROOT / "docs").rglob("*.md"))
