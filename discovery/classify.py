"""The front door to the classifier."""
