"""Print published physiology beside that of the models: ``python -m cells [CLASS ...]``."""

import sys

from cells.models import CELL_CLASSES, cell_class
from cells.parameters import InputError
from cells.physiology import print_cards

if __name__ == "__main__":
    names = sys.argv[1:] or CELL_CLASSES
    try:
        for name in names:
            cell_class(name)
    except InputError as error:
        sys.exit(f"cells: {error}")
    print_cards(names)
