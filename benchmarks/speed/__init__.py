"""How fast is the engine? The same work for this package and for the reference implementation, on one server."""
