"""`python -m engine` is the command `visema`."""

import sys

from engine.cli import main

sys.exit(main())
