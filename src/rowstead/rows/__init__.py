"""The rows face: typed CRUD over Pydantic rows. Its public names are those of `rowstead`."""
