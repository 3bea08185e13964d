"""Both ends of a numbered stream."""

from .publisher import Publisher
from .subscriber import Published, Subscriber

__all__ = ["Published", "Publisher", "Subscriber"]
