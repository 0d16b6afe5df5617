"""Kinds of input, one module each: it recognises its kind by content and reads it into schema-shaped rows."""
