"""The review of a run: a person turns its proposals into types."""
