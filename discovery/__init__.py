"""Vectors become named defect types: clusters, proposals with evidence, and the handoff.

The verbs are loaded when first used (PEP 562): `import discovery` needs neither torch nor faiss.
"""
