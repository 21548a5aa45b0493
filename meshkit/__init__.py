"""The shared runtime of every process of the mesh. It holds no business rule and imports no service."""
