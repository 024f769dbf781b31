"""Documents with parts that a program writes:

<!-- NAME: written by make bench -->
...
<!-- end of NAME -->
"""

import pathlib
import re


def update(path, name, text):
    """Replaces the part called name, which must be there."""
    path = pathlib.Path(path)
    old = path.read_text(encoding="utf-8")
    part = re.compile(
        rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    new, count = part.subn(
        lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", old)
    if count != 1:
        raise RuntimeError(f"{path}: no part called {name}")
    path.write_text(new, encoding="utf-8")
