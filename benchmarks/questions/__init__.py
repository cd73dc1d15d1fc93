"""Questions over real tables and long texts, in two halves, with the code that finds their answers and marks replies."""
