"""`python -m tinydiff` is `tinydiff`."""

import sys

from .cli import main

sys.exit(main())
