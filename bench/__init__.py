"""Load and side-by-side benchmarks: `python -m bench`. What they found is in docs/performance.md."""
