"""The polling fallback of ticket sync: finds in the tickets what no event told their conversations."""
