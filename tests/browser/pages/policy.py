"""The test page ``policy``: binds what tests add to ``#blob``, ``#link`` and ``#cookie`` with one `MediaPolicy`.

With ``asks=page``, the page asks for less data and less motion; else the browser's user does.
"""

from authmedia import MediaPolicy, bind, open_loader
from authmedia.browser import create_element, query_parameter
from demo.page import Page


class PolicyPage(Page):
    """Binds the elements of three strategies, each of which transfers in another way."""

    def __init__(self):
        super().__init__("policy")

    async def work(self, session):
        """Opens a loader and a binder for each strategy."""
        self.root.query(".columns").remove()
        asked = True if query_parameter("asks") == "page" else None
        self.policy = MediaPolicy(save_data=asked, reduced_motion=asked)
        for name in ("blob", "link", "cookie"):
            place = create_element("div", id=name)
            self.root.query("#main").append(place)
            bind(place, open_loader(name, session.homeserver), policy=self.policy, near_px=None)


PolicyPage().open()
