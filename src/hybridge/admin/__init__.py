"""The control plane: what operators ask and change, in a process of its own that no request passes."""
