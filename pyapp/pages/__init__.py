"""One thin module for each page of the site."""
