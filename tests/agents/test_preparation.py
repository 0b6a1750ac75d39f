"""What an adapter is told of an instance, and what is written for its engine."""

from pathlib import Path

from agents.instances.preparation import describe, write_files
from profiles.desired.model import InstanceSpec
from profiles.latency.burn import Objective
from profiles.latency.objectives import Slo


def spec(engine: str, **changes: object) -> InstanceSpec:
    return InstanceSpec(name="a/0", service="a", engine=engine, model="org/m", **changes)  # type: ignore[arg-type]


def test_targets_are_told_by_what_they_measure() -> None:
    promised = (
        Objective("ttft_p50", "ttft", 0.3, 0.5),
        Objective("ttft_p95", "ttft", 0.8, 0.05),
        Objective("e2e_p99", "e2e", 20.0, 0.01),
    )
    launch = describe(spec("vllm", slo=Slo(latency=promised)), 8000).launch
    assert launch.targets_s == {"ttft": (0.3, 0.8), "e2e": (20.0,)}


def test_another_target_is_no_reason_to_restart() -> None:
    slower = Slo(latency=(Objective("ttft_p95", "ttft", 9.0, 0.05),))
    assert spec("vllm").launch_key() == spec("vllm", slo=slower).launch_key()


def test_the_file_of_an_engine_is_its_users_alone_and_written_anew(tmp_path: Path) -> None:
    described = describe(spec("tensorrt_llm", options={"kv_cache_dtype": "fp8"}), 8000, tmp_path)
    file = tmp_path / "llm_args.yaml"
    file.write_text("an older one, which is longer than what is written now" * 20)
    file.chmod(0o600)
    write_files(described)
    assert described.engine.command(described.launch).argv[-1] == str(file)
    assert '"dtype": "fp8"' in file.read_text()
    assert "older" not in file.read_text()
    file.unlink()
    write_files(described)
    assert file.stat().st_mode & 0o777 == 0o600
