"""Tools that know nothing of media: concurrency, backoff, untrusted input, encoding, garbage collection."""
