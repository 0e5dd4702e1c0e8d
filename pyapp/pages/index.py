"""The page `index.html`: what works in this browser, and where to look at it."""

from demo.page import Page

Page("index").open()
