"""Reach agents over ssh or on this machine; only ssh.py and what it imports know asyncssh."""
