"""The gate's inputs, a file per group. Each signal is a function of the case alone."""
