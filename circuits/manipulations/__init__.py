"""What an experimenter does to a circuit, and when: one small vocabulary for every device."""

from circuits.manipulations.model import Change, Course, Manipulation, When
from circuits.manipulations.vocabulary import VERBS, changes, verb, with_courses

__all__ = ["VERBS", "Change", "Course", "Manipulation", "When", "changes", "verb", "with_courses"]
