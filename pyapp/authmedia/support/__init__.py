"""Tools without knowledge of media: concurrency, backoff, untrusted input, encoding, garbage collection."""
