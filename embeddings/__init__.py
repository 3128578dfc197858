"""Images become vectors: find, decode, embed and keep them in a FAISS-backed store.

The verbs are loaded when first used (PEP 562): `import embeddings` needs neither torch nor faiss.
"""
