"""The development homeserver: runs a real Synapse and seeds it with a sample room."""
