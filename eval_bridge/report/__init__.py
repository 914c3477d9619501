"""Pages for a person to read, each one file that needs no network, and tables for documents."""
