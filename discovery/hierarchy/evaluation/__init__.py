"""How good the classifier is: scores a level, coverage against accuracy, calibration, a page."""
