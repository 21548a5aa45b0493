"""The conversation gateway: sessions and messages in, answers out, whatever the channel."""
