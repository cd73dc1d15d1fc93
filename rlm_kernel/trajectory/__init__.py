"""What happened in a run: frozen records, the flat list of events made of them, and folds over that list."""
