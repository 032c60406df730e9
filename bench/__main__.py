"""`python -m bench`: the quick benches, one after the other; the others by name."""

import runpy
import sys

QUICK = ("matrix", "compare", "boot", "warm", "clones")
LONGER = {
    "warm --cycles 200": "nothing grows in 200 lives of a guest; five minutes",
    "bisect_simulation": "how many steps a bisection takes, next to other tools",
    "gate_simulation": "what four gates decide about 10,000 simulated releases; a minute",
    "report_page": "how soon a browser shows the page of a large run; two minutes",
    "bisect_systemd": "a real bisection compared with git bisect run; half an hour",
}


def main() -> None:
    """Run them."""
    for name in QUICK:
        print(f"== bench/{name}.py", flush=True)
        sys.argv = [f"bench/{name}.py"]
        runpy.run_module(f"bench.{name}", run_name="__main__")
    print("== not run here")
    for name, what in LONGER.items():
        print(f"python -m bench.{name:22} {what}")


if __name__ == "__main__":
    main()
