"""The page ``evidence.html``: what works where and what it costs, from the latest stored runs, without JavaScript."""
