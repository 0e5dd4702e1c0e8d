"""What strategies are made of: clients for links and bundles, a link cache, files, object URLs, resource timing."""
