"""The site: how it is built, served in development, and shown beside a homeserver."""
