"""What a topic's WORKLOADS list holds."""

from dataclasses import dataclass, field
from typing import Callable


@dataclass
class Workload:
    name: str  # as in ours.rs
    peer: str
    version: str
    target: float  # the least ratio peer_ms / ours_ms to be content with
    tolerance: float  # the largest difference between the two results
    make: Callable[[], Callable[[], list]]  # prepares the data and returns the timed part, which returns the result
    threads: int = 1  # of each side
    environment: dict[str, str] = field(default_factory=dict)  # of the peer's process, where it is not as anyone's
