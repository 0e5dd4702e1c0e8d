"""What strategies are made of: clients for links and bundles, caches, files, object URLs, timings."""
