"""What self-contained HTML pages are built from: elements that escape, and encoded data."""
