"""Shared code of the demo pages: sign-in, reading and rendering a room, measurements and the comparison."""
