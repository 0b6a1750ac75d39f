"""The daemon's Unix socket: connections, frames, requests, and who carries them out."""
