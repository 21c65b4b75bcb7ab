"""Benchmarks: whole workloads through real servers and processes, each with its floor measured in the same run."""
