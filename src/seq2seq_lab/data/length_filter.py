"""Over-long and empty pairs: left out of training and counted, cut in evaluation and counted, never in silence."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LengthFilter:
    """Limits in tokens, the end token not counted."""

    max_source_tokens: int = 200
    max_target_tokens: int = 200

    def __post_init__(self) -> None:
        for name in ("max_source_tokens", "max_target_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be >= 1")

    def reason_to_drop(self, source: list[int], target: list[int]) -> str | None:
        """Return why a training pair is left out, or None to keep it."""
        if not source:
            return "empty source"
        if not target:
            return "empty target"
        if len(source) > self.max_source_tokens:
            return f"source over {self.max_source_tokens} tokens"
        if len(target) > self.max_target_tokens:
            return f"target over {self.max_target_tokens} tokens"
        return None

    def cut_source(self, source: list[int]) -> list[int]:
        """Return what an evaluation keeps of an over-long source."""
        return source[: self.max_source_tokens]

    def cut_target(self, target: list[int]) -> list[int]:
        """Return what the teacher-forced loss of an evaluation keeps of an over-long target."""
        return target[: self.max_target_tokens]
