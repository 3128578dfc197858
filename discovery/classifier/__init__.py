"""The supervised classifier downstream of the clusters: a tree of types, learned and answered.

The way of an image, and the module of each step: `examples` (labelled images of a table),
`features` and `describe` (rows), `fusion`, `networks` and `novelty` (what is learned of them),
`calibration` and `decision_rule` (how far an answer is trusted), `cascade` (all of these as one
estimator), `train`, `finetune`, `predict` and `evaluate` (what the command calls), `model` (the
folder it is kept in).
"""
