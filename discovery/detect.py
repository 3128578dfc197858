"""The front door to the detector."""
