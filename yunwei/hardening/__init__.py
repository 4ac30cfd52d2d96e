"""From findings to rules, and the rules themselves (`catalogue/`)."""
