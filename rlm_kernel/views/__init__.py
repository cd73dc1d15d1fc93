"""What a person sees of a run: HTML, text, a status line."""
