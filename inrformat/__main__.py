"""``python -m inrformat``."""

import sys

from inrformat.cli.main import main

sys.exit(main())
