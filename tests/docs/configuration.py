#!/usr/bin/python3
"""docs/configuration.md: the facts from the code's tables, see options.py, the
prose from docs/xenterm.conf.5, the examples from conf/xenterm.conf.

    configuration.py            says what is not as the code has it
    configuration.py --update   writes the page, and the defaults and ranges in
                                the manual page and the example
"""

import argparse
import difflib
import re
import sys

import options

MANUAL = options.TOP / "docs/xenterm.conf.5"
EXAMPLE = options.TOP / "conf/xenterm.conf"
PAGE = options.TOP / "docs/configuration.md"

RANGE = r"[;,] from (\d+)(, never,)? to (\d+)"


class Unknown(Exception):
    """A document is not written as this program knows it."""


# --- the manual page ----------------------------------------------------------

class Manual:
    """Its description, and the text of each section and option: lines of mdoc.
    A section is (its name, "")."""

    def __init__(self, text):
        before, rest = self.cut(text, "\n.Ss Options\n")
        self.about = self.cut(before, "\n.Sh DESCRIPTION\n")[1].split("\n")
        self.texts, self.defaults, self.titles = {}, {}, {}
        section, depth, lines = "", 0, None
        for line in self.cut(rest, "\n.Sh EXAMPLES\n")[0].split("\n"):
            if line == ".Bl -tag -width Ds":
                depth += 1
            elif line == ".El":
                depth -= 1
                lines = None
            elif line == ".Ss Sections":
                section = None
            elif line.startswith(".It"):
                name, title, default = self.item(line)
                if title:
                    section = name
                    self.titles[name] = title
                where = (section, "" if title else name)
                if section is None or (depth == 2) != bool(section and not
                                                           title):
                    raise Unknown(f"{line}: not where it should be")
                if where in self.texts:
                    raise Unknown(f"{line}: twice")
                self.defaults[where] = default
                lines = self.texts[where] = []
            elif lines is None:
                raise Unknown(f"{line}: of no option")
            else:
                lines.append(line)

    @staticmethod
    def cut(text, mark):
        if text.count(mark) != 1:
            raise Unknown(f"{text.count(mark)} of {mark!r}")
        return text.split(mark)

    @staticmethod
    def item(line):
        """Name, a section's title, default"""
        found = re.fullmatch(r"\.It Ic (\w+)(?: Ar (\w+)| Pq (\S+))?", line)
        if not found:
            raise Unknown(line)
        return found.groups()


def told(option):
    """A default as it stands behind an option's name in the manual page, which
    has none, and long ones, in words: None."""
    value = option.default
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return value[0] if len(value) == 1 else None
    return None if value is None else str(value)


def update_manual(text, known):
    """The text with the defaults and the ranges of the code."""
    for (section, name), option in known.items():
        head = re.escape(f".It Ic {section} Ar ") if section else ""
        start = re.search(head, text).end() if head else \
            text.index("\n.Ss Options\n")
        found = re.compile(rf"(?ms)^\.It Ic {name}(?: Pq \S+)?\n(.*?)"
                           r"(?=^\.(?:It|El)\b)").search(text, start)
        if not found:
            raise Unknown(f"{MANUAL.name} has no {section} {name}")
        body, default = found[1], told(option)
        if option.kind == "number":
            body, count = re.subn(RANGE, lambda m: m[0][0] + (
                f" from {option.least}{m[2] or ''} to {option.most}"), body)
            if count != 1:
                raise Unknown(f"{MANUAL.name}: {count} ranges at {name}")
        item = f".It Ic {name}" + (f" Pq {default}" if default else "")
        text = text[:found.start()] + f"{item}\n{body}" + text[found.end():]
    return text


# --- the example --------------------------------------------------------------

class Example:
    """Its lines behind "# ": the options of the file, {name: line}, and the
    sections, {kind: [text, ...]}."""

    def __init__(self, text):
        self.lines, self.blocks, block = {}, {}, None
        for line in text.split("\n"):
            line = re.sub(r"^# ?", "", line)
            if head := re.fullmatch(r'(\w+) "[^"]*" \{(.*)', line):
                if block is not None:
                    raise Unknown(f"{line}: in another section")
                block = [line]
                self.blocks.setdefault(head[1], []).append(block)
                if head[2].endswith("}"):
                    block = None
            elif block is not None:
                block.append(line)
                if line == "}":
                    block = None
            elif option := re.match(r"(\w+) = ", line):
                if option[1] in self.lines:
                    raise Unknown(f"{line}: twice")
                self.lines[option[1]] = line
        if block is not None:
            raise Unknown(f"{block[0]}: no end")
        self.blocks = {kind: ["\n".join(block) for block in blocks]
                       for kind, blocks in self.blocks.items()}

    def names(self):
        """As options.all_options() has them."""
        return {("", name) for name in self.lines} | {
            (kind, name) for kind, blocks in self.blocks.items()
            for block in blocks for name in re.findall(r"(\w+) = ", block)}


def written(value):
    """As it stands in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "{" + ", ".join(map(written, value)) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def update_example(text, known):
    for (section, name), option in known.items():
        if section or option.default is None:
            continue
        text, count = re.subn(rf"(?m)^# {name} = .*$", lambda _: (
            f"# {name} = {written(option.default)}"), text)
        if count != 1:
            raise Unknown(f"{EXAMPLE.name}: {count} times {name}")
    return re.sub(r"\(\d+ to \d+\)(?=\.\n# (\w+) = )", lambda m: (
        f"({known['', m[1]].least} to {known['', m[1]].most})"), text)


# --- mdoc to markdown -----------------------------------------------------------

ESCAPES = {r"\(dq": '"', r"\&": ""}
MACROS = ("Ic", "Ar", "Pa", "Dv", "Ql", "Pq", "Xr")


def code(words):
    words = list(words)
    if any("`" in word or "|" in word for word in words):
        raise Unknown(words)
    return ", ".join(f"`{word}`" for word in words)


def plain(text):
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text)


def macro(words):
    """One line of mdoc."""
    end = ""
    while words and words[-1] in (".", ",", ";", ":"):
        end = words.pop() + end
    out = []
    while words:
        name = words.pop(0)
        args = []
        if name == "Pq":
            out.append(f"({macro(words)})")
            break
        if name not in MACROS:
            out.append(plain(name))
            continue
        while words and words[0] not in MACROS:
            args.append(words.pop(0))
        if not args:
            raise Unknown(f".{name} of nothing")
        if name == "Xr":
            page, number, *more = args
            out += [f"{plain(page)}({number})", *map(plain, more)]
        elif name == "Ar":
            out.append(code([" ".join(args).upper()]))
        else:
            out.append(code(" ".join(args).split(" , ")))
    return " ".join(out) + end


def markdown(lines):
    paragraphs = [[]]
    for line in lines:
        for escape, char in ESCAPES.items():
            line = line.replace(escape, char)
        if "\\" in line:
            raise Unknown(line)
        if line == ".Pp":
            paragraphs.append([])
        elif line.startswith("."):
            words = line[1:].split(" ")
            if words[0] not in MACROS:
                raise Unknown(line)
            paragraphs[-1].append(macro(words))
        else:
            paragraphs[-1].append(plain(line))
    return "\n\n".join(" ".join(text) for text in paragraphs)


# --- the page -------------------------------------------------------------------

def allowed(option, never):
    if option.kind == "number":
        least = f"{option.least} (never)" if never else option.least
        return f"{least} to {option.most}"
    if option.kind == "yes/no":
        return code(["true", "false"])
    return code(option.words) if option.words else option.rule or "any"


def default(option):
    if option.needed:
        names = option.needed.split(" or ")
        return "must be given" if len(names) == 1 else \
            f"one of {code(names)} must be given"
    if option.default is not None:
        return code([written(option.default)])
    return f"that of `{option.fallback}`" if option.fallback else "none"


def row(name, option, lines):
    text = markdown(lines)
    never = False
    if option.kind == "number":
        if len(found := re.findall(RANGE, text)) != 1:
            raise Unknown(f"{name}: no range in {text!r}")
        never = bool(found[0][1])
        text = re.sub(RANGE, "", text)
    if not text or "\n" in text:
        raise Unknown(f"{name}: {text!r} does not fit in a row")
    if option.fixed:
        text += " Changes with the next start only."
    cells = [f"`{name}`", option.kind, default(option),
             allowed(option, never), text]
    return "| " + " | ".join(cells) + " |"


def table(section, known, manual):
    rows = ["| option | kind | unless given | may be | what it is |",
            "|---|---|---|---|---|"]
    for (part, name), lines in manual.texts.items():
        if part == section and name:
            rows.append(row(name, known[part, name], lines))
    return "\n".join(rows)


def listing(text):
    return f"```conf\n{text}\n```"


def contents(manual):
    rows = ["| part | what it is | options |", "|---|---|---|"]
    for section in manual.parts:
        names = code(name for part, name in manual.texts
                     if part == section and name)
        first = re.split(r"(?<=\.) ", markdown(
            manual.texts[section, ""]))[0] if section else \
            "What stands in no section: paths, users, limits."
        head = f"[`{section}`](#{section})" if section else \
            "[the file itself](#the-file-itself)"
        rows.append(f"| {head} | {first} | {names} |")
    return "\n".join(rows)


INTRO = """\
<!-- Made by tests/docs/configuration.py --update: the facts are from \
common/config_parse.c and common/config_check.c, the prose from \
docs/xenterm.conf.5, the examples from conf/xenterm.conf. Change those. -->
# Configuration reference

Every option of `/etc/xenterm/xenterm.conf`: what it is unless given, and what \
it may be, as the programs have it. The same text is at hand in dom0 as \
`man 5 xenterm.conf`. [conf/xenterm.conf](../conf/xenterm.conf) is the file as \
it is installed, with all of them as comments; \
[getting-started.md](getting-started.md) has the few lines that a first try \
needs. First [how the file is read](#how-the-file-is-read), then:"""


def page(manual_text, example_text):
    known = options.all_options()
    manual, example = Manual(manual_text), Example(example_text)
    if {where for where in manual.texts if where[1]} != set(known):
        raise Unknown(f"{MANUAL.name} has not the code's options: " + str(
            {where for where in manual.texts if where[1]} ^ set(known)))
    manual.parts = ["", *manual.titles]
    unset = [line for name, line in example.lines.items()
             if known["", name].default is None]
    parts = [
        INTRO, contents(manual), "## How the file is read",
        markdown(manual.about),
        f"Of each kind of section there may be {options.sections_of_a_kind()}.",
        "## The file itself",
        table("", known, manual),
        "Those that are nothing unless given, as they can look:",
        listing("\n".join(unset))]
    for section, title in manual.titles.items():
        parts += [f"## {section}", f"`{section} \"{title.upper()}\" {{ ... }}`",
                  markdown(manual.texts[section, ""]),
                  table(section, known, manual),
                  listing("\n".join(example.blocks[section]))]
    return "\n\n".join(parts) + "\n"


# --- what it is for -------------------------------------------------------------

def made():
    """{path: the text that it should have}"""
    known = options.all_options()
    manual = update_manual(MANUAL.read_text(), known)
    example = update_example(EXAMPLE.read_text(), known)
    return {MANUAL: manual, EXAMPLE: example, PAGE: page(manual, example)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--update", action="store_true")
    update = parser.parse_args().update
    status = 0
    for path, text in made().items():
        there = path.read_text() if path.exists() else ""
        if there == text:
            continue
        if update:
            path.write_text(text)
            continue
        name = str(path.relative_to(options.TOP))
        sys.stdout.writelines(difflib.unified_diff(
            there.splitlines(True), text.splitlines(True), name, name))
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
