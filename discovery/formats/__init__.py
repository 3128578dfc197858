"""Files others read and write: the handoff and its exports."""
