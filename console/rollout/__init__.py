"""An apply in waves: asked for, waited for, paused, gone on with and taken back. No Textual."""
