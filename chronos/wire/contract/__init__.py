"""What consumers of the topics may rely on: schemas, their compatibility, and the topics."""
