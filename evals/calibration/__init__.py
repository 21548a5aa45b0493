"""Calibrating the gate for one knowledge base, from that knowledge base: questions, fit, operating point, policy."""
