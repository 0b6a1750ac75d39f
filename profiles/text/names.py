"""What a profile, a service, a gateway and a secret may be called."""

import re

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
NAME_HINT = "small letters, digits, `.`, `_` and `-`, at most 64, with a letter or digit at both ends"
