"""The development homeserver: a real Synapse, started, filled and stopped."""
