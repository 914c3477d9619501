"""What a policy wants to see: plain values, which policies declare and workers and servers obey."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ObservationNeeds:
    """What a policy wants to see.

    Attributes:
        image_size: side of the square frames that it takes, pixels.
        cameras: whose frames, in order.
        state_size: numbers of the robot's state; 0 for a policy that does not take it.
    """

    image_size: int
    cameras: tuple[str, ...]
    state_size: int
