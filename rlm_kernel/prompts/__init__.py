"""Prompt packs: every word that a model reads comes from the files beside this one."""
