"""What happens to a container that runs: the guest's services are restarted, and other containers come and go."""

import pytest

# Its cases are classes of test modules, here and in other suites; a failure of theirs shows both sides as any other.
pytest.register_assert_rewrite("suites.lifecycle.stays")
