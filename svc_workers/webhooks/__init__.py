"""Webhooks: endpoints outside that are told of events, signed, guarded, logged."""
