"""One file per endpoint; `server/routes.py` says which path leads to which."""
