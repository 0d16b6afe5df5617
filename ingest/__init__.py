"""How does a file become rows? Read as text, parse, validate, load: every row is loaded or rejected by name."""
