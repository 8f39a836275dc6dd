"""From a description to numbers: plan, arrays, program, and the devices that run it."""

from circuits.engine.arrays import draw_arrays
from circuits.engine.devices import DEVICES, run_plan
from circuits.engine.planner import make_plan

__all__ = ["DEVICES", "draw_arrays", "make_plan", "run_plan"]
