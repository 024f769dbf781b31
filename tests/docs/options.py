"""The options of xenterm.conf as the code has them: their kinds, defaults,
ranges and words, read from the tables in common/config_parse.c and
common/config_check.c. What is written otherwise there than is known here is an
error, so that no option and no rule can be overlooked.

    options.all_options()   {(section, name): Option}, in the code's order
    options.sections()      the sections' names; the file itself is section ""
"""

import ast
import dataclasses
import functools
import operator
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
STRING = r'"(?:[^"\\\n]|\\.)*"'

# Where packages put it: their --prefix is /usr.
PKGLIBEXECDIR = "/usr/libexec/xenterm"


@dataclasses.dataclass
class Option:
    kind: str                   # text, number, yes/no, list or word
    default: object             # None: there is none
    least: int = None
    most: int = None
    words: tuple = ()           # all that it, or one of the list, may be
    rule: str = ""              # what else it has to be
    needed: str = ""            # must be given; "url or command": one of them
    fallback: str = ""          # the option whose value it has unless given
    fixed: bool = False         # a reload does not change it


class Unknown(Exception):
    """The source is not written as this module knows it."""


# --- C, as far as it is needed ------------------------------------------------

def source(name):
    """Without comments."""
    return re.sub(rf"(?s)({STRING})|/\*.*?\*/", lambda m: m[1] or " ",
                  (TOP / name).read_text())


@functools.lru_cache
def flat(text):
    """Blanks as one space each, adjacent strings as one; directives end with a
    semicolon."""
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"(?m)^(#.*)$", r"\1;", text)
    text = re.sub(rf"({STRING})|\s+", lambda m: m[1] or " ", text)
    return re.sub(rf"{STRING}(?: {STRING})+", lambda m: '"' + "".join(
        part[1:-1] for part in re.findall(STRING, m[0])) + '"', text)


def find(pattern, text, what):
    """What the pattern's group has; it must be there once."""
    found = re.findall(pattern, text)
    if len(found) != 1:
        raise Unknown(f"{what}: {len(found)} times in the source")
    return found[0]


PARSE = source("common/config_parse.c")
CHECK = source("common/config_check.c")
CONFIG = source("common/config.c")
LIMITS = dict(re.findall(r"#define (\w+) ([^;]*);",
                         flat(source("common/limits.h"))))
LIMITS["INT_MAX"] = str(2 ** 31 - 1)


def function(text, name):
    return flat(find(rf"(?sm)^{name}\([^{{}}]*\)\n{{\n(.*?)^}}$", text,
                     f"{name}()")).strip()


def statements(body, known):
    """Each of them is one of the patterns, whose groups are what the function
    behind it gets."""
    while body:
        for pattern, act in known.items():
            if found := re.match(pattern, body):
                act(*found.groups())
                body = body[found.end():].lstrip()
                break
        else:
            raise Unknown(body)


def array(text, name):
    """The entries of an array, "{...}" or "MACRO(...)" or what else."""
    body = find(rf"(?s)\b{re.escape(name)}\[\] = {{ ?(.*?)(?:, )?}};",
                flat(text), f"{name}[]")
    return split(body)


def split(text):
    """At the commas that are in no parentheses, braces or strings."""
    parts, depth = [""], 0
    for piece in re.findall(rf"{STRING}|[^\"]", text):
        depth += (piece in "({") - (piece in ")}") if len(piece) == 1 else 0
        if piece == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    if depth:
        raise Unknown(text)
    return [part.strip() for part in parts if part.strip()]


def match(pattern, text):
    found = re.fullmatch(pattern, text)
    if not found:
        raise Unknown(f"{text!r} is not {pattern!r}")
    return found


def string(text):
    match(STRING, text)
    return ast.literal_eval(text)


def number(text):
    """Of a constant expression."""
    known = {ast.Add: operator.add, ast.Sub: operator.sub,
             ast.Mult: operator.mul, ast.Div: operator.floordiv}

    def value(node):
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.Name) and node.id in LIMITS:
            return number(LIMITS[node.id])
        if isinstance(node, ast.BinOp) and type(node.op) in known:
            return known[type(node.op)](value(node.left), value(node.right))
        raise Unknown(f"{text}: no number")

    return value(ast.parse(text.strip(), mode="eval").body)


# --- the tables of config_parse.c ---------------------------------------------

def macro(name):
    """A text that is a macro: of the file, or of the Makefile."""
    if name == "XENTERM_SCREEN":
        path = find(r"""-DXENTERM_SCREEN='"(\S+)"'""",
                    (TOP / "Makefile.am").read_text(), name)
        return path.replace("$(pkglibexecdir)", PKGLIBEXECDIR)
    return string(find(rf"#define {name} ({STRING});", flat(PARSE),
                       name))


def text_default(text):
    if text == "NULL":
        return None
    return (string(text) if text.startswith('"') else macro(text)) or None


def list_default(text):
    inner = match(r"\{(.*)\}", text_default(text))[1]
    return [string(item) if item.startswith('"') else item
            for item in split(inner)] or None


def bool_default(text):
    return match("cfg_(true|false)", text)[1] == "true"


KINDS = {"CFG_STR": ("text", text_default),
         "CFG_STR_LIST": ("list", list_default),
         "CFG_BOOL": ("yes/no", bool_default),
         "CFG_INT": ("number", number)}


def read_array(name):
    """{name: Option} and {section: array}"""
    options, sections = {}, {}
    *entries, end = array(PARSE, name)
    match(r"CFG_END\(\)", end)
    for entry in entries:
        kind, args = match(r"(\w+)\((.*)\)", entry).groups()
        name, *args = split(args)
        if kind == "NUMBER":
            options[string(name)] = Option("number", None)
        elif kind == "CFG_SEC":
            match("named", args[1])
            sections[string(name)] = args[0]
        elif kind in KINDS:
            match("CFGF_NONE", args[1])
            kind, default = KINDS[kind]
            options[string(name)] = Option(kind, default(args[0]))
        else:
            raise Unknown(entry)
    return options, sections


def read_options():
    top, sections = read_array("options")
    found = {("", name): option for name, option in top.items()}
    for section, name in sections.items():
        inner, deeper = read_array(name)
        if deeper:
            raise Unknown(f"sections in {section}")
        found |= {(section, name): option for name, option in inner.items()}
    return found, list(sections)


def sections():
    return read_options()[1]


# --- the rules of config_check.c ----------------------------------------------

def place(path):
    """ "log|size" is an option of a section, "hook" is all of one"""
    section, bar, name = path.partition("|")
    if bar:
        return section, name
    return (section, "") if section in sections() else ("", section)


def set_numbers(options, section, table):
    *entries, end = array(CHECK, table)
    match(r"\{NULL, 0, 0, 0, 0\}", end)
    for entry in entries:
        name, default, least, most, _ = split(match(r"\{(.*)\}", entry)[1])
        option = options[section, string(name)]
        option.default = number(default)
        option.least, option.most = number(least), number(most)


def set_words(options):
    for entry in array(CHECK, "word_options"):
        path, words, _ = split(match(r"\{(.*)\}", entry)[1])
        option = options[place(string(path))]
        option.kind = "word"
        option.words = tuple(
            string(word) for word in split(match(r"\{(.*)\}", words)[1]))


def right_names():
    """{"list": "RIGHT_LIST", ...}"""
    entries = [split(match(r"\{(.*)\}", entry)[1])
               for entry in array(CHECK, "right_names")]
    return {string(name): right for name, right in entries}


def path_rule(option, body):
    option.rule = find(r"must be (an absolute path)", body, "check_path")


def ring_rule(option, body):
    least, most = find(r"value < (\w+) \|\| value > (\w+)\)", body, "ring_size")
    option.least, option.most = number(least), number(most)


def host_rule(option, body):
    option.rule = find(r'must be (a name or an address, [^"]*)"', body,
                       "host_names")
    most = find(r"cfg_opt_size\(opt\) > (\w+)", body, "host_names")
    option.rule += f"; at most {number(most)} of them"


def event_rule(option, body):
    find(r"COUNT\((hook_events)\) &&", body, "hook_events")
    option.words = tuple(map(string, array(CHECK, "hook_events")))


def right_rule(option, body):
    find(r"(config_right)\(name\) == 0", body, "rights")
    option.words = tuple(right_names())


def key_right_rule(option, body):
    refused = find(r"== (RIGHT_\w+)\) { cfg_error", body, "a ticket's rights")
    find(r"return (check_rights)\(cfg, opt\);", body, "check_rights()")
    option.words = tuple(name for name, right in right_names().items()
                         if right != refused)


RULES = {"check_path": path_rule, "check_ring_size": ring_rule,
         "check_host_names": host_rule, "check_events": event_rule,
         "check_rights": right_rule, "check_key_rights": key_right_rule}


def hook_rule(options, body):
    needed = find(r"needs (url or command), one of them", body, "hook")
    options["hook", "url"].needed = needed
    options["hook", "command"].needed = needed
    options["hook", "url"].rule = "has to " + find(
        r"url must (begin with http:// or https://)", body, "url")
    options["hook", "command"].rule = \
        find(r"command must be (an absolute path)", body, "command") + \
        ", then arguments"


def key_rule(options, body):
    needed = find(r"needed\[\] = {(.*?)};", body, "needed")
    for name in map(string, split(needed)):
        option = options["ticket_key", name]
        option.needed = name


SECTION_RULES = {"check_hook": hook_rule, "check_ticket_key": key_rule}


def set_rule(options, path, check):
    where = place(path)
    body = function(CHECK, check)
    if where[1] == "":
        SECTION_RULES[check](options, body)
    else:
        RULES[check](options[where], body)


def set_paths(options, names):
    for name in split(names):
        set_rule(options, string(name), "check_path")


def set_rules(options):
    """Each statement of config_check(): all must be understood."""
    loop = r"for \(size_t i = 0; i < COUNT\({0}\); i\+\+\) " \
        r"cfg_set_validate_func\(cfg, {0}\[i\]{1}, {2}\);"
    known = {
        r"static const char \*const paths\[\] = {([^}]*)}; " +
        loop.format("paths", "", "check_path"):
            lambda names: set_paths(options, names),
        loop.format("word_options", ".path", "check_word"):
            lambda: set_words(options),
        rf"check_numbers\(cfg, ({STRING}), (\w+)\);":
            lambda section, table: set_numbers(
                options, string(section).rstrip("|"), table),
        rf"cfg_set_validate_func\(cfg, ({STRING}), (\w+)\);":
            lambda path, check: set_rule(options, string(path), check)}
    statements(function(CHECK, "config_check"), known)


# --- what else the code says --------------------------------------------------

def set_fallbacks(options):
    found = re.findall(r'\*cfg_getstr\(cfg, "(\w+)"\) \? "(\w+)" : "(\w+)"',
                       function(PARSE, "take"))
    if not found:
        raise Unknown("take(): no option has another one's value")
    for name, same, other in found:
        match(name, same)
        options["", name].fallback = other


def set_fixed(options):
    """What config_keep_fixed() leaves as it was at the start."""
    def fixed(name):
        options["", name].fixed = True

    statements(function(CONFIG, "config_keep_fixed"), {
        r'keep\("(\w+)", &now->\1, &next->\1\);': fixed,
        r"if \(now->(\w+) != next->\1\) log_warn\([^;]*\);": fixed})


def sections_of_a_kind():
    """How many there may be."""
    found = re.findall(r'cfg_size\(cfg, "(\w+)"\) > (\w+)',
                       function(PARSE, "parse"))
    if sorted(name for name, _ in found) != sorted(sections()) or \
            len({limit for _, limit in found}) != 1:
        raise Unknown(f"parse(): {found}")
    return number(found[0][1])


def complete(options):
    for where, option in options.items():
        if option.kind == "number" and None in (
                option.default, option.least, option.most):
            raise Unknown(f"{where}: a number without a default or a range")
        if option.kind == "word" and (len(option.words) < 2 or (
                option.default and option.default not in option.words)):
            raise Unknown(f"{where}: {option}")


def all_options():
    options, _ = read_options()
    set_rules(options)
    set_fallbacks(options)
    set_fixed(options)
    complete(options)
    return options
