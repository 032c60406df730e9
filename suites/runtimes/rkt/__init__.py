"""rkt: its command line, images, networks and pods, with what each of its releases has."""

from suites.runtimes.rkt.engine import connect
from suites.runtimes.rkt.specs import LACKS

__all__ = ["LACKS", "connect"]
