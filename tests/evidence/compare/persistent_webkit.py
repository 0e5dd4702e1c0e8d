"""A WebKitGTK window with persistent storage that WebDriver controls; those of MiniBrowser are ephemeral then.

``/usr/bin/python3 persistent_webkit.py PROFILE [FEATURE ...]``, as WebKitWebDriver starts it. The system's Python runs
it, since the bindings of WebKitGTK (GObject introspection) are a package of the system. It imports nothing else.
"""

import sys
from typing import Any

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")
from gi.repository import Gtk, WebKit2  # noqa: E402 - the versions come first

_SIZE = (480, 900)


class Browser:
    """A browser that opens a window for each tab of an automation session, and ends with its last window.

    :param profile: the folder of its data and caches.
    :param features: identifiers of WebKit's features to switch on, such as ``FileSystem``.
    """

    def __init__(self, profile: str, features: list[str]) -> None:
        manager = WebKit2.WebsiteDataManager(
            base_data_directory=f"{profile}/data", base_cache_directory=f"{profile}/cache"
        )
        # As MiniBrowser has it.
        self._context = WebKit2.WebContext(
            website_data_manager=manager, process_swap_on_cross_site_navigation_enabled=True
        )
        self._context.set_automation_allowed(True)
        self._context.connect("automation-started", self._begin)
        self._settings = WebKit2.Settings()
        self._windows: list[Any] = []
        known = WebKit2.Settings.get_all_features()
        for feature in (known.get(index) for index in range(known.get_length())):
            if feature.get_identifier() in features:
                self._settings.set_feature_enabled(feature, True)

    def _begin(self, _context: Any, session: Any) -> None:
        info = WebKit2.ApplicationInfo()
        info.set_name("MiniBrowser")  # which Selenium asks for
        info.set_version(WebKit2.get_major_version(), WebKit2.get_minor_version(), WebKit2.get_micro_version())
        session.set_application_info(info)
        session.connect("create-web-view", self._open)

    def _open(self, _session: Any) -> Any:
        view = WebKit2.WebView(web_context=self._context, settings=self._settings, is_controlled_by_automation=True)
        window = Gtk.Window()
        window.set_default_size(*_SIZE)
        window.add(view)
        window.show_all()
        view.connect("close", lambda _view: window.destroy())
        window.connect("destroy", self._closed)
        self._windows.append(window)
        return view

    def _closed(self, window: Any) -> None:
        self._windows.remove(window)
        if not self._windows:
            Gtk.main_quit()


if __name__ == "__main__":
    browser = Browser(sys.argv[1], sys.argv[2:])
    Gtk.main()
