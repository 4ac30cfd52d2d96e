"""Measurements on the lab against the same work typed by hand; method and figures are in docs/performance.md."""
