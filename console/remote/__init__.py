"""Reach agents over ssh or on this machine; only ssh.py imports asyncssh."""
