"""The page `compare.html`: every strategy over the same room in this browser, side by side."""

from demo.compare_page import ComparePage

ComparePage().open()
