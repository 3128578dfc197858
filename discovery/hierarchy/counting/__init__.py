"""Counting defects: Faster R-CNN trained from boxes, pictures read by tiles, and its evaluation."""
