"""Image processing of the third level: denoise, flatten, highlight, and the noise gate."""
