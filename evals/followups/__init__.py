"""Follow-up questions, and how people wrote them to stand alone: what the rules make of the same turns."""
