"""Bad profiles → the exact complaint and its place; good ones, the shipped examples among them, load."""

from pathlib import Path

import pytest

from engines import registry
from profiles.desired.gpu_request import GpuRequest
from profiles.desired.model import PlaceRequest, SecretRef, Service
from profiles.files.load import load_profile, parse_profile
from profiles.gpu.gputypes import types
from profiles.text.yamltext import FileError, read

HEAD = "gpuyard: 1\nprofile: p\nservices:\n"
KNOWN = ", ".join(registry.names())
NAME_HINT = "small letters, digits, `.`, `_` and `-`, at most 64, with a letter or digit at both ends"

WHOLE = [
    ("", "1:1: the file is empty", "it begins with `gpuyard: 1`"),
    ("- 1\n", "1:1: expected a mapping (key: value), found a list", ""),
    (
        "gpuyard: 2\nprofile: p\nservices: {}\n",
        "1:10: version 2 of this file is not known",
        "write `gpuyard: 1`, or upgrade gpuyard",
    ),
    ("gpuyard: one\nprofile: p\nservices: {}\n", "1:10: expected a whole number, found text", ""),
    ("profile: p\nservices: {}\n", "1:1: `gpuyard` is missing", "add `gpuyard: …`"),
    (
        "gpuyard: 1\nprofile: P!\nservices: {a: {engine: vllm, model: m}}\n",
        "2:10: `P!` cannot name a profile",
        NAME_HINT,
    ),
    (
        "gpuyard: 1\nprofile: p\nservices: {}\n",
        "3:11: no service is listed",
        "add one: `chat: {engine: vllm, model: …}`; to run none of it, `gpuyard down p`",
    ),
    ("gpuyard: 1\nprofile: 7\nservices: {}\n", "2:10: expected text, found a whole number", "put it in quotes"),
    ("gpuyard: 1\nprofile: p\nservces: {}\n", "3:1: unknown key `servces`", "did you mean `services`?"),
    (
        "gpuyard: 1\nprofile: p\ndefaults: {engine: vlm}\nservices: {a: {model: m}}\n",
        "3:20: no engine is called `vlm`",
        f"did you mean `vllm`? known: {KNOWN}",
    ),
]

SERVICE = [
    ("  Chat: {engine: vllm, model: m}", "4:3: `Chat` cannot name a service", NAME_HINT),
    (
        "  a: {model: m}",
        "4:3: `a` has no engine",
        f"add `engine: …`, here or under `defaults` (known: {KNOWN})",
    ),
    (
        "  a: {engine: vlm, model: m}",
        "4:15: no engine is called `vlm`",
        f"did you mean `vllm`? known: {KNOWN}",
    ),
    ("  a: {engine: vllm}", "4:3: `model` is missing", "add `model: …`"),
    ("  a: {engine: vllm, model: ''}", "4:28: the model is empty", "a model's name, or the path of its file"),
    ("  a: {engine: vllm, model: 7}", "4:28: expected text, found a whole number", "put it in quotes"),
    ("  a: {engine: vllm, modle: m}", "4:21: unknown key `modle`", "did you mean `model`?"),
    (
        "  a: {engine: vllm, model: m, replicas: 0}",
        "4:41: replicas must be 1 to 1000, not 0",
        "take the service out to run none",
    ),
    ("  a: {engine: vllm, model: m, replicas: 5000}", "4:41: replicas must be 1 to 1000, not 5000", "list fewer"),
    ("  a: {engine: vllm, model: m, replicas: two}", "4:41: expected a whole number, found text", ""),
    ("  a: {engine: vllm, model: m, replicas: 1.5}", "4:41: expected a whole number, found a number", ""),
    *(
        (
            f"  a: {{engine: vllm, model: m, port: {port}}}",
            f"4:37: {port} is no port for an engine",
            "1024 to 65535, or leave it to the node",
        )
        for port in (70000, 80, 0, -1)
    ),
    (
        "  a: {engine: vllm, model: '-m'}",
        "4:28: model: a value that begins with `-` would be read as an option",
        "rename it",
    ),
    (
        "  a: {engine: vllm, model: m, env: {PATH: /tmp}}",
        "4:37: PATH may not be set",
        "it would change what is executed",
    ),
    (
        "  a: {engine: vllm, model: m, port: 65535, replicas: 2}",
        "4:37: 2 replicas from port 65535 on go past 65535",
        "each replica has the next port; choose a lower one",
    ),
    (
        "  a: {engine: vllm, model: m, restart: {max: 0}}",
        "4:46: `max` must be 1 to 100, not 0",
        "1 never starts it again by itself",
    ),
    (
        "  a: {engine: vllm, model: m, restart: {max: 3, window: 10 min}}",
        "4:57: `10 min` is no duration",
        "a number and ms, s, m, h or d: `10m`",
    ),
    *(
        (text.replace("^", ""), f"4:{text.index('^') + 1}: {message}", hint)
        for gpus, message, hint in (
            ("memory: ^12GB", "`12GB` is no size", "a whole number and MiB, GiB or TiB: `12GiB`"),
            ("memory: ^100MiB", "100MiB of GPU memory is too little for any model", "at least 512MiB"),
            ("memory: 8GiB, portion: ^0.5", "`memory` and `portion` say the same thing twice", "keep one of them"),
            ("portion: ^1.5", "`portion` must be over 0 and at most 1, not 1.5", "0.25 is a quarter"),
            ("memory: 8GiB, limit: ^4GiB", "the limit 4GiB is under the request 8GiB", "give more, or none"),
            ("limit: ^4GiB", "`limit` is of a part of a GPU", "say which: add `memory` or `portion`"),
            ("portion: 0.5, compute: ^30", "expected text, found a whole number", "put it in quotes"),
            ("portion: 0.5, compute: ^130%", "`130%` is no share of the SMs", "1% to 100%"),
            ("portion: 0.5, compute: 30%, enforce: ^none", "`none` cannot hold `compute`", "only `enforce: mps` can"),
            ("mig: ^big", "`big` is no profile of MIG", "as NVIDIA writes it: `1g.10gb`"),
            ("mig: 1g.10gb, memory: ^8GiB", "`memory` does not go with `mig`", "a MIG device is given whole"),
            ("memory: 8GiB, enforce: ^hope", "invalid enum value 'hope'", ""),
            (
                "memory: 8GiB}, options: {^gpu_memory_utilization: 0.5",
                "option `gpu_memory_utilization`: follows from the memory that `gpus` asks for",
                "leave it out; or write `enforce: none`, and only gpuyard's books follow `memory`",
            ),
        )
        for text in [f"  a: {{engine: vllm, model: m, gpus: {{devices: [n/0], {gpus}}}}}"]
    ),
    (
        "  a: {engine: llama_cpp, model: m, gpus: {devices: [n/0], memory: 8GiB, enforce: engine_flag}}",
        "4:82: llama_cpp has no option that holds it to a part of a GPU's memory",
        "`mps`, or `none` where you trust it",
    ),
    ("  a: {engine: vllm, model: m, preemptible: 1}", "4:44: expected true or false, found a whole number", ""),
    ("  a: {engine: vllm, model: m, lease: 30}", "4:38: expected text, found a whole number", "put it in quotes"),
    ("  a: {engine: vllm, model: m, lease: soon}", "4:38: `soon` is no duration", "a number and m, h or d: `30d`"),
    (
        "  a: {engine: vllm, model: m, lease: 5s}",
        "4:38: a lease of 5s is over before an engine is up",
        "at least 1m; left out, it never ends",
    ),
    (
        "  a: {engine: vllm, model: m, priority: urgent}",
        "4:41: `urgent` is no priority",
        "one of low, normal, high, or a number from 0 to 1000",
    ),
    (
        "  a: {engine: vllm, model: m, resources: {memory: 64}}",
        "4:51: expected text, found a whole number",
        "put it in quotes",
    ),
    (
        "  a: {engine: vllm, model: m, resources: {memory: 64GB}}",
        "4:51: `64GB` is no size",
        "a whole number and MiB, GiB or TiB: `64GiB`",
    ),
    (
        "  a: {engine: vllm, model: m, resources: {memory: 1MiB}}",
        "4:51: 1MiB of memory is too little for any engine",
        "at least 16MiB",
    ),
    (
        "  a: {engine: vllm, model: m, resources: {cpus: 7-0}}",
        "4:49: `7-0` is no list of CPUs",
        "numbers and ranges: `0-7` or `0,2,4-6`",
    ),
    (
        "  a: {engine: vllm, model: m, resources: {cpu_weight: 0}}",
        "4:55: `cpu_weight` must be 1 to 10000, not 0",
        "100 is everyone's",
    ),
    (
        "  a: {engine: vllm, model: m, resources: {cpu_wieght: 10}}",
        "4:43: unknown key `cpu_wieght`",
        "did you mean `cpu_weight`?",
    ),
    (
        "  a: {engine: vllm, model: m, restart: {windw: 1h}}",
        "4:41: unknown key `windw`",
        "did you mean `window`?",
    ),
    (
        "  a: {engine: vllm, model: m, gpus: {devices: []}}",
        "4:47: no device is listed",
        "list NODE/INDEX, or leave `gpus` out to use the CPU",
    ),
    (
        "  a: {engine: vllm, model: m, gpus: {devices: [fra-1]}}",
        "4:48: `fra-1` is no device",
        "write NODE/INDEX, like `fra-1/0`",
    ),
    (
        "  a: {engine: vllm, model: m, gpus: {devices: [fra-1/0, fra-1/x]}}",
        "4:57: `fra-1/x` is no device",
        "write NODE/INDEX, like `fra-1/0`",
    ),
    (
        "  a: {engine: vllm, model: m, gpus: {device: [fra-1/0]}}",
        "4:38: unknown key `device`",
        "did you mean `devices`?",
    ),
    *(
        (text.replace("^", ""), f"4:{text.index('^') + 1}: {message}", hint)
        for asked, message, hint in (
            ("gpus: ^{}", "nothing is asked of GPUs", "`count: 1`, `memory: 12GiB`, …; without `gpus`, the CPU"),
            ("gpus: {count: ^0}", "`count` must be 1 to 64, not 0", "leave `gpus` out to use the CPU"),
            ("gpus: {count: ^80}", "`count` must be 1 to 64, not 80", "one engine runs on the GPUs of one node"),
            ("gpus: {count: ^four}", "expected a whole number, found text", ""),
            (
                "gpus: {devices: [n/0], count: ^1}",
                "`count` does not go with `devices`",
                "name them, or let them be chosen",
            ),
            (
                "gpus: {devices: [n/0], type: ^T4}",
                "`type` does not go with `devices`",
                "name them, or let them be chosen",
            ),
            ("gpus: {mig: 1g.10gb, count: ^2}", "one engine uses one MIG device, not several", "leave `count` out"),
            (
                "gpus: {type: ^h100}",
                "no GPU type is called `h100`",
                f"did you mean `H100`? known: {', '.join(types())}",
            ),
            ("gpus: {type: ^Voodoo}", "no GPU type is called `Voodoo`", f"known: {', '.join(types())}"),
            ("gpus: {^cuont: 2}", "unknown key `cuont`", "did you mean `count`?"),
            ("place: {nodes: ^site=}", "`=` cannot be read", "a term is NODE, LABEL, LABEL=VALUE or LABEL~PART"),
            ("place: {nodes: ^!down }", "tags (!) are not read", "leave the tag out, or quote the value"),
            ("place: {nodes: ^'a b'}", "`b` is not expected there", "join two with `&` or `|`"),
            ("place: {nodes: ^'(a'}", "a bracket is left open", "close it with `)`"),
            ("place: {nodes: ^''}", "a label or a node is missing at the end", "as in `site=fra & !maintenance`"),
            ("place: {spread: ^wide}", "invalid enum value 'wide'", ""),
            ("place: {^sprade: node}", "unknown key `sprade`", "did you mean `spread`?"),
        )
        for text in [f"  a: {{engine: vllm, model: m, {asked}}}"]
    ),
    ("  a: {engine: vllm, model: m, gpus: 2}", "4:37: expected a mapping (key: value), found a whole number", ""),
    ("  a: {engine: vllm, model: m, place: {node: x}}", "4:39: unknown key `node`", "did you mean `nodes`?"),
    (
        "  a: {engine: vllm, model: m, env: {1X: a}}",
        "4:37: `1X` cannot name a variable",
        "letters, digits and `_`, not a digit first",
    ),
    (
        "  a: {engine: vllm, model: m, env: {X: 1}}",
        "4:40: expected text or a mapping (key: value), found a whole number",
        "put it in quotes",
    ),
    (
        "  a: {engine: vllm, model: m, env: {K: hf_abcdefghij}}",
        "4:40: the value of K looks like a secret",
        "store it on the node and write `K: {secret: name}`",
    ),
    (
        "  a: {engine: vllm, model: m, env: {K: sk-abcdefghijk}}",
        "4:40: the value of K looks like a secret",
        "store it on the node and write `K: {secret: name}`",
    ),
    (
        "  a: {engine: vllm, model: m, env: {K: AKIAABCDEFGHIJKLMNOP}}",
        "4:40: the value of K looks like a secret",
        "store it on the node and write `K: {secret: name}`",
    ),
    (
        '  a: {engine: vllm, model: m, env: {K: "-----BEGIN RSA PRIVATE KEY-----"}}',
        "4:40: the value of K looks like a secret",
        "store it on the node and write `K: {secret: name}`",
    ),
    ("  a: {engine: vllm, model: m, env: {K: {secrt: x}}}", "4:41: unknown key `secrt`", "did you mean `secret`?"),
    ("  a: {engine: vllm, model: m, env: {K: {secret: X Y}}}", "4:49: `X Y` cannot name a secret", NAME_HINT),
    (
        "  a: {engine: vllm, model: m, options: {max_num_seq: 3}}",
        "4:41: vllm has no option `max_num_seq`",
        "did you mean `max_num_seqs`?",
    ),
    (
        "  a: {engine: vllm, model: m, options: {max_num_seqs: many}}",
        "4:55: option `max_num_seqs`: expected a whole number, found text",
        "",
    ),
    (
        "  a: {engine: vllm, model: m, options: {enforce_eager: yes}}",
        "4:56: `yes` could be read in two ways",
        'write true, or "yes" if it is text',
    ),
    (
        "  a: {engine: vllm, model: m, options: {quantization: sk-abcdefghijkl}}",
        "4:55: the value of quantization looks like a secret",
        "store it on the node and pass it through `env: {NAME: {secret: name}}`",
    ),
    (
        "  a: {engine: vllm, model: m}\n  a: {engine: vllm, model: m}",
        "5:3: `a` is here twice, first in line 4",
        "keep one of them",
    ),
    ("  a: {engine: vllm, model: m}\n  b:\n    modl: m", "6:5: unknown key `modl`", "did you mean `model`?"),
    (
        "  a: &x {engine: vllm, model: m}",
        "4:6: anchors and aliases (& and *) are not read",
        "write the value out, or quote it",
    ),
    ("  a: [vllm]", "4:6: expected a mapping (key: value), found a list", ""),
    ("  a:\n    engine: vllm\n\tmodel: m", "6:1: not valid YAML: found a tab character that violates indentation", ""),
]


def complaint(text: str) -> tuple[str, str]:
    with pytest.raises(FileError) as caught:
        parse_profile(read(text, "p.yaml"))
    return str(caught.value).removeprefix("p.yaml:"), caught.value.hint


@pytest.mark.parametrize(("text", "message", "hint"), WHOLE)
def test_bad_files(text: str, message: str, hint: str) -> None:
    assert complaint(text) == (message, hint)


@pytest.mark.parametrize(("text", "message", "hint"), SERVICE)
def test_bad_services(text: str, message: str, hint: str) -> None:
    """The text stands under `services:`, from line 4 on."""
    assert complaint(HEAD + text) == (message, hint)


def test_a_whole_profile(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "gpuyard: 1\nprofile: chat\nowner: search-team\ndefaults: {engine: vllm}\nservices:\n"
        "  a:\n    model: m\n    replicas: 2\n    port: 8000\n    gpus: {devices: [FRA-1/0, fra-1/12]}\n"
        "    env: {T: {secret: hf-token}, U: plain}\n    options: {max_num_seqs: 64}\n"
        "  b: {engine: llama_cpp, model: /m.gguf, place: {nodes: fra-2}}\n"
    )
    profile = load_profile(path)
    assert (profile.profile, profile.owner, profile.defaults.engine) == ("chat", "search-team", "vllm")
    assert profile.services["a"] == Service(
        model="m", engine="vllm", replicas=2, port=8000, gpus=GpuRequest(("FRA-1/0", "fra-1/12")),
        env={"T": SecretRef("hf-token"), "U": "plain"}, options={"max_num_seqs": 64},
    )  # fmt: skip
    assert profile.services["b"].place == PlaceRequest("fra-2")
