"""Measurements of this program, each as a ratio that one run shows (`python -m benchmarks`)."""
