"""Tickets: what a person needs to answer without asking the customer anything twice."""
