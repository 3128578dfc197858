"""The supervised classifier downstream of the clusters, and the detector that counts defects."""
