"""The loop, its actions, its driver, and the sub-calls that model code makes."""
