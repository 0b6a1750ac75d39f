"""`defaults` of a profile, written into each of its services before they are read.

What a service says itself is laid over them (profiles.text.merge): `null` takes a default out. A mistake in one is
named where it stands.
"""

from profiles.desired.model import Defaults
from profiles.text.document import Document, Plain
from profiles.text.merge import Merge, Part

DEFAULTS, SERVICES = "defaults", "services"


def with_defaults(document: Document) -> Document:
    """`document` as it is where it has none, or where either of them is no mapping: whoever reads it says so."""
    data = document.data
    if not isinstance(data, dict):
        return document
    defaults, services = data.get(DEFAULTS), data.get(SERVICES)
    if not isinstance(defaults, dict) or not isinstance(services, dict):
        return document
    given = {key: value for key, value in defaults.items() if key in Defaults.__struct_fields__}
    base, merge = Part(document, (DEFAULTS,), given), Merge(document.source)
    merged: dict[str, Plain] = {
        name: merge.mapping((SERVICES, name), base, Part(document, (SERVICES, name), service))
        if isinstance(service, dict) else service
        for name, service in services.items()
    }  # fmt: skip
    return Document(
        document.source, {**data, SERVICES: merged}, document.values | merge.values, document.keys | merge.keys,
        document.text,
    )  # fmt: skip
