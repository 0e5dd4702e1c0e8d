"""The page `attic.html`: one media of each odd kind that people send."""

from demo.attic_page import AtticPage

AtticPage().open()
