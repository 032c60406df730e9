"""`python -m harness.cli`, the same as the command `harness`."""

from harness.cli import main

raise SystemExit(main())
