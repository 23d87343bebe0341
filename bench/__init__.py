"""Ratios of this package to pinned references, measured side by side in one run. Start it with `make bench`."""
