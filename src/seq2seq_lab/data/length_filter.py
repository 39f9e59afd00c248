"""The length filter: over-long and empty pairs are left out of training, cut in evaluation, and always counted."""

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
        """Return why a training pair is left out, or None."""
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
        """Return the source of an evaluation pair, cut to the limit."""
        return source[: self.max_source_tokens]

    def cut_target(self, target: list[int]) -> list[int]:
        """Return the target of an evaluation pair, cut to the limit of the teacher-forced loss."""
        return target[: self.max_target_tokens]
