"""The Matrix client-server API as far as media need it: sessions, content URIs, encrypted files, errors."""
