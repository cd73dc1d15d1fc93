"""Runs as files that other programs read: JSON lines, notebooks, one clean cell. Reading executes nothing."""
