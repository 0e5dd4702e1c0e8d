"""The parts of strategies: clients for links and bundles, a link cache, files, object URLs, resource timing."""
