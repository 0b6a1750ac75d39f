"""What runs, written as a file: read back, it is what runs; what no file can say is refused."""

from msgspec.structs import replace

from engines.devices import Enforcer, MigSlot, Slice
from profiles.desired.model import DesiredInstance, InstanceSpec, SecretRef
from profiles.desired.resources import Limits
from profiles.desired.restart import Restart
from profiles.files.load import parse_profile
from profiles.latency.burn import Objective
from profiles.latency.objectives import Slo
from profiles.observed.status import Reason
from profiles.plans.capture import captured
from profiles.text.document import Plain
from profiles.text.units import duration_s, duration_text, size_mib, size_text
from profiles.text.written import written
from profiles.text.yamltext import read

WHOLE = tuple(Slice(gpu_uuid=f"u{at}", gpu_index=at) for at in range(2))
SPEC = InstanceSpec(
    name="chat/0", service="chat", engine="vllm", model="meta-llama/Llama-3.3-70B-Instruct", slices=WHOLE, port=8000,
    options={"max_num_seqs": 96, "max_model_len": 16384}, env={"HF_TOKEN": SecretRef("hf"), "A": "1"},
    restart=Restart(max_exits=3, window_s=90.0), limits=Limits(memory_mib=65536, cpus="0-3"), priority=150,
    slo=Slo(latency=(Objective("ttft_p95", "ttft", 0.8, 0.05),), errors_ratio=0.001, min_ready=1),
    canary_every_s=30.0, lease_s=30 * 86400.0, preemptible=True,
)  # fmt: skip


def owned(*specs: InstanceSpec) -> list[DesiredInstance]:
    return [DesiredInstance(profile="p", revision=3, spec=spec, owner="search") for spec in specs]


def services(*specs: InstanceSpec) -> dict[str, Plain]:
    data = captured("p", owned(*specs), {"u0": "H100", "u1": "H100"}.get)
    assert isinstance(data, dict), data
    found = data["services"]
    assert isinstance(found, dict)
    return found


def test_every_key_comes_back_as_it_is() -> None:
    second = replace(SPEC, name="chat/1", port=8001, restarts_asked=2)
    data = captured("p", owned(second, SPEC), {"u0": "H100", "u1": "H100"}.get)
    assert isinstance(data, dict)
    profile = parse_profile(read(written(data)))
    service = profile.services["chat"]
    assert (profile.owner, service.replicas, service.port) == ("search", 2, 8000)
    assert service.gpus is not None
    assert (service.gpus.count, service.gpus.type) == (2, "H100")
    assert (service.options, service.env, service.priority) == (SPEC.options, SPEC.env, "high")
    assert service.restart is not None
    assert service.restart.rule() == SPEC.restart
    assert service.resources.limits() == SPEC.limits
    assert service.slo.slo(2) == SPEC.slo
    assert (service.lease, service.preemptible) == ("30d", True)
    assert service.canary is not None
    assert service.canary.every_s() == SPEC.canary_every_s
    text = written(data)
    assert "u0" not in text, "no device of this cluster"


def test_parts_are_written_as_they_were_asked_for() -> None:
    part = Slice(gpu_uuid="u0", gpu_index=0, memory_mib=12288, memory_limit_mib=16384, memory_enforcer=Enforcer.MPS,
                 compute_percent=30, compute_enforcer=Enforcer.MPS)  # fmt: skip
    mig = Slice(gpu_uuid="u0", gpu_index=0, mig=MigSlot(profile="1g.10gb", start=0, size=1), memory_mib=9728)
    for held, wanted in (
        (part, {"type": "H100", "memory": "12GiB", "limit": "16GiB", "compute": "30%", "enforce": "mps"}),
        (replace(part, portion=0.25), {"type": "H100", "portion": 0.25, "limit": "16GiB", "compute": "30%",
                                       "enforce": "mps"}),
        (mig, {"type": "H100", "mig": "1g.10gb"}),
    ):  # fmt: skip
        service = services(replace(SPEC, slices=(held,)))["chat"]
        assert isinstance(service, dict)
        assert service["gpus"] == wanted


def test_what_no_file_can_say_is_refused_with_the_keys() -> None:
    other = replace(SPEC, name="chat/1", port=8001, options={"max_num_seqs": 64, "max_model_len": 16384})
    for specs, said in (
        ((SPEC, other), "chat/0 and chat/1 differ in options.max_num_seqs"),
        ((replace(SPEC, name="chat/1"),), "chat has the replicas chat/1"),
        ((SPEC, replace(SPEC, name="chat/1", port=9000)), "the ports of chat do not follow each other"),
        ((SPEC, replace(SPEC, name="chat/1", port=8001, slices=WHOLE[:1])), "differ in gpus"),
    ):
        found = captured("p", owned(*specs), {"u0": "H100"}.get)
        assert isinstance(found, Reason)
        assert said in found.text


def test_units_are_read_as_they_are_written() -> None:
    for seconds in (0.05, 0.8, 1.0, 90.0, 600.0, 7200.0, 2_592_000.0, 0.0125):
        assert duration_s(duration_text(seconds)) == seconds
    assert [duration_text(seconds) for seconds in (0.8, 90.0, 600.0)] == ["800ms", "90s", "10m"]
    for mib in (512, 1024, 12_288, 1500):
        assert size_mib(size_text(mib)) == mib
