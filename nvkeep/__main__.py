"""`python -m nvkeep`."""

import sys

from nvkeep.cli import main

sys.exit(main())
