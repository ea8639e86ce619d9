"""Records of files: CSV, JSON, JSON lines and YAML, each record with its line. Knows no database."""
