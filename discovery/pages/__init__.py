"""What self-contained HTML pages are built from: elements, tables, words, and the page around."""
