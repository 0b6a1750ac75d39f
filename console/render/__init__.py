"""Views in, cells out: pure functions shared by the screens and the command line."""
