"""What each user has on all GPUs."""

from profiles.observed.processes import NodeProcess, ProcessKind, by_user


def test_shares_of_users() -> None:
    listed = [
        ("a", NodeProcess(pid=1, user="ann", gpus=(0, 1), memory_mib=100, busy_ratio=0.5, age_s=5.0)),
        ("a", NodeProcess(pid=2, user="ann", gpus=(1,), memory_mib=None, age_s=9.0, kind=ProcessKind.OURS)),
        ("b", NodeProcess(pid=1, user="ann", gpus=(1,), memory_mib=11, busy_ratio=0.75, kind=ProcessKind.ORPHAN)),
        ("b", NodeProcess(pid=9, user="bob", gpus=(1,), memory_mib=5000)),
        ("b", NodeProcess(pid=7)),
    ]
    bob, ann, unknown = by_user(listed)
    assert (bob.user, bob.memory_mib, bob.busy, bob.foreign, bob.oldest_s) == ("bob", 5000, None, 1, None)
    assert (ann.processes, ann.nodes, ann.gpus, ann.memory_mib, ann.busy) == (3, ("a", "b"), 3, 111, 1.25)
    assert (ann.foreign, ann.orphans, ann.oldest_s) == (1, 1, 9.0)
    assert (unknown.user, unknown.processes, unknown.memory_mib) == ("", 1, None)
