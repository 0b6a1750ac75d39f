"""Plain data as YAML that profiles.text.yamltext reads back as just that data.

PyYAML quotes what YAML 1.1 would take for something else; the reader is of another mind about `y`, `1e5` and `0o17`.
So every text is quoted that does not begin like a word, or could be a word of either.
"""

import re

import yaml

from profiles.text.document import Plain

WIDTH = 110
_WORD = re.compile(r"[A-Za-z/][A-Za-z0-9/._+-]*(?: [A-Za-z0-9(][A-Za-z0-9/._+()-]*)*", re.ASCII)
_DOUBTFUL = re.compile(r"(?i:yes|no|on|off|y|n|true|false|null)")


def written(data: Plain) -> str:
    """In the order of `data`; ends with a new line."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """The reader takes none: what is there twice is written twice."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _WORD.fullmatch(text) and not _DOUBTFUL.fullmatch(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


def _number(dumper: yaml.SafeDumper, number: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(number))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)
