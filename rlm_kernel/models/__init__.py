"""Models: any OpenAI-compatible server, and the bundled local one."""
