"""The documents: links that lead somewhere, a map that has every file, an
index that has every document, the options as the code has them, spelling."""

import importlib.util
import pathlib
import re
import subprocess

import pytest

import configuration
import options

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
FILES = [TOP / name for name in subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, check=True,
    capture_output=True, text=True).stdout.split("\n") if name]
PAGES = [path for path in FILES if path.suffix == ".md" and path.exists()]


def name_of(path):
    return str(path.relative_to(TOP))


# --- links --------------------------------------------------------------------

def without_code(text):
    return re.sub(r"(?ms)^```.*?^```", "", text)


def anchors(path):
    """As GitHub makes them from headings."""
    heads = re.findall(r"(?m)^#+ (.*)$", without_code(path.read_text()))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
            for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    bad = []
    text = re.sub(r"`[^`]*`", "", without_code(page.read_text()))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            bad.append(link)
        elif anchor and target.suffix == ".md" \
                and anchor not in anchors(target):
            bad.append(link)
    assert not bad, bad


def test_the_index_has_every_document():
    index = (TOP / "docs/README.md").read_text()
    for path in (TOP / "docs").iterdir():
        if path.suffix in (".md", ".yaml", ".py") and \
                path.name != "README.md":
            assert f"({path.name})" in index, path.name
        elif re.fullmatch(r"\.[158]", path.suffix):
            assert f"{path.stem}({path.suffix[1]})" in index, path.name


def test_contributing_names_every_test_of_the_pages():
    text = (TOP / "CONTRIBUTING.md").read_text()
    for path in (TOP / "tests/browser").glob("*.test.mjs"):
        assert path.name in text, path.name


def test_every_document_is_in_the_tarball():
    makefile = (TOP / "Makefile.am").read_text()
    for path in (TOP / "docs").glob("*.md"):
        assert f"docs/{path.name}" in makefile, path.name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_row_is_in_a_table(page):
    """A row behind an empty line is shown as text with bars in it."""
    lines = ["", *without_code(page.read_text()).split("\n"), ""]
    for before, line, after in zip(lines, lines[1:], lines[2:]):
        if line.startswith("|") and not before.startswith("|"):
            assert re.fullmatch(r"\|(-+\|)+", after), line


# --- the sections of the protocol ---------------------------------------------

SECTIONS = re.findall(r"(?m)^#+ (\d+(?:\.\d+)?)\.? ",
                      (TOP / "docs/protocol.md").read_text())


def test_the_sections_of_the_protocol_are_counted():
    numbers = [tuple(map(int, number.split("."))) for number in SECTIONS]
    assert len(numbers) > 15
    assert numbers == sorted(set(numbers))
    last = {}
    for number in numbers:
        if len(number) == 2:
            assert number[1] == last.get(number[0], 0) + 1, number
            last[number[0]] = number[1]


def test_who_names_a_section_of_the_protocol_names_one():
    named = re.compile(r"protocol\.md[`)\]]*(?:\(protocol\.md\))?,? "
                       r"(?:section )?(\d\.\d+)")
    found = 0
    for path in FILES:
        if not path.is_file() or path.suffix not in (
                ".md", ".c", ".h", ".js", ".mjs", ".py", ".conf"):
            continue
        for number in named.findall(path.read_text()):
            assert number in SECTIONS, (name_of(path), number)
            found += 1
    for number in re.findall(r"\((\d\.\d+)\)",
                             (TOP / "docs/protocol.md").read_text()):
        assert number in SECTIONS, number
        found += 1
    assert found > 20


# --- what the protocol says of calls and errors -------------------------------

PROTOCOL = (TOP / "docs/protocol.md").read_text()


@pytest.mark.parametrize("file,prefix", [("fcgi/route.c", ""),
                                         ("fcgi/admin_routes.c", "/")])
def test_the_protocol_has_every_call(file, prefix):
    calls = re.findall(r'{"([A-Z]+)", "/([^"]+)"', (TOP / file).read_text())
    assert len(calls) > 15
    told = set()
    for cell in re.findall(r"(?m)^\| (.*?) \|", PROTOCOL):
        methods = re.findall(r"\b(GET|POST|DELETE)\b", cell)
        paths = re.findall(r"(?<![\w?=&])([/a-z][\w/]*[\w])(?=[`?\s])", cell)
        told |= {(method, re.sub(r"[A-Z]{2,}", "*", path))
                 for method in methods for path in paths}
    for method, path in calls:
        assert (method, prefix + path) in told, (method, path)


def test_the_protocol_has_every_code():
    codes = set()
    for path in (TOP / "fcgi").glob("*.c"):
        codes |= set(re.findall(r'\b[45]\d\d,\s*"([a-z-]+)"',
                                path.read_text()))
        codes |= set(re.findall(r'\\"code\\":\\"([a-z-]+)', path.read_text()))
    for path in (TOP / "conf/nginx").iterdir():
        text = path.read_text()
        codes |= set(re.findall(r'"code":"([a-z-]+)"', text))
        codes |= set(re.findall(r"(?m)^ +(?:default|0) +([a-z]+-[a-z]+);",
                                text))
    assert len(codes) > 35 and "no-memory" in codes and "no-worker" in codes
    told = set(re.findall(r"`([a-z-]+)`", PROTOCOL))
    assert not codes - told, codes - told


# --- what pages of others can use ----------------------------------------------

def test_embedding_has_all_of_the_element():
    source = (TOP / "static/xen-console.js").read_text()
    text = (TOP / "docs/embedding.md").read_text()
    body = source.split("class XenConsole", 1)[1]
    names = set(re.findall(r"(?m)^\t(?:async )?(?:[gs]et )?([a-z]\w*)\(.*\{",
                           body))
    names -= {"constructor", "connectedCallback", "disconnectedCallback",
              "attributeChangedCallback"}
    assert len(names) > 25
    for name in names:
        assert re.search(rf"`{name}[`(]", text), name
    passed = re.search(r"PASSED = \[(.*?)\]", source)[1]
    for name in re.findall(r"'(\w+)'", passed) + re.findall(
            r"#emit\('(\w+)'", source):
        assert re.search(rf"(?m)^\|[^|]*`{name}`", text), name


def test_embedding_has_all_of_the_frame():
    source = (TOP / "static/frame.js").read_text()
    text = (TOP / "docs/embedding.md").read_text().split("## In a frame")[1]
    calls = re.search(r"(?s)const calls = {(.*?)\n};", source)[1]
    told = re.search(r"TOLD = \[(.*?)\]", source)[1]
    names = re.findall(r"(?m)^\t(\w+): \(", calls) + \
        re.findall(r"'(\w+)'", told)
    assert len(names) > 15
    for name in names:
        assert f"`{name}`" in text, name


# --- the map of the files ---------------------------------------------------------

MAP = (TOP / "docs/architecture.md").read_text()


def mapped(folder):
    """The names in that folder's table."""
    table = re.search(rf"(?ms)^\| `{folder}/` .*?(?=^$)", MAP)
    assert table, f"docs/architecture.md has no table for {folder}/"
    cells = re.findall(r"(?m)^\| ([^|]*) \|", table[0])
    return set(re.findall(r"`([\w./]+)`", " ".join(cells))) - {f"{folder}/"}


@pytest.mark.parametrize("folder", ["common", "broker", "keeper", "fcgi",
                                    "logger", "cli"])
def test_the_map_has_every_file(folder):
    there = {path.name for path in FILES
             if path.parent == TOP / folder and path.exists() and
             path.suffix in (".c", ".h")}
    known = mapped(folder)
    for name in there:
        stem = name.rsplit(".", 1)[0]
        assert stem in known or name in known or name == "handlers.h" or \
            name == "command.h", f"{folder}/{name} is not on the map"
    stems = {name.rsplit(".", 1)[0] for name in there}
    for name in known:
        assert name in there or name in stems, f"{folder}/{name} is gone"


# --- the options ------------------------------------------------------------------

@pytest.fixture(name="known", scope="module")
def known_options():
    return options.all_options()


@pytest.fixture(scope="module")
def manual():
    return configuration.Manual(configuration.MANUAL.read_text())


@pytest.fixture(scope="module")
def example():
    return configuration.Example(configuration.EXAMPLE.read_text())


def test_the_code_has_options(known):
    assert len([name for section, name in known if not section]) > 10
    assert len(options.sections()) > 3


def test_the_example_has_every_option(known, example):
    """xenterm.conf, where each stands behind '# '."""
    assert example.names() == set(known)
    assert set(example.blocks) == set(options.sections())


def test_the_manual_has_every_option(known, manual):
    assert set(manual.texts) == set(known) | {
        (section, "") for section in options.sections()}


def test_defaults_are_told_as_they_are(known, manual, example):
    for (section, name), option in known.items():
        said = manual.defaults[section, name]
        assert said == configuration.told(option), (section, name, said)
        if not section and option.default is not None:
            said = example.lines[name].split(" = ", 1)[1]
            assert said == configuration.written(option.default), name


def test_ranges_are_told_as_they_are(known, manual):
    checked = 0
    for (section, name), option in known.items():
        said = re.findall(configuration.RANGE,
                          "\n".join(manual.texts[section, name]))
        if option.kind == "number":
            assert [(least, most) for least, _, most in said] == \
                [(str(option.least), str(option.most))], (section, name, said)
            checked += 1
        else:
            assert not said, (section, name)
    assert checked > 15


def test_what_a_reload_does_not_change_is_told_as_it_is(known, manual):
    about = " ".join(manual.about)
    said = re.search(r"guest ends\. (.*?) change with the next start only",
                     about)[1]
    assert set(re.findall(r"\w+", re.sub(r"\.Ic|\band\b", "", said))) == {
        name for (section, name), option in known.items() if option.fixed}


@pytest.mark.parametrize("path", [
    configuration.MANUAL, configuration.EXAMPLE, configuration.PAGE],
    ids=name_of)
def test_the_reference_is_what_the_code_makes(path):
    assert path.read_text() == configuration.made()[path], \
        "tests/docs/configuration.py --update makes it anew"


@pytest.mark.parametrize("module,there,instead", [
    ("PARSE", 'CFG_STR("run_dir"', 'CFG_PTR("run_dir"'),
    ("PARSE", 'NUMBER("rescan")', 'NUMBER("every")'),
    ("PARSE", 'NUMBER("rescan"),', 'NUMBER("rescan"), NUMBER("every"),'),
    ("PARSE", '"xenterm", CFGF_NONE', '"xenterm", CFGF_NOCASE'),
    ("PARSE", 'CFG_SEC("hook", hook, named)', 'CFG_SEC("hook", hook, 0)'),
    ("CHECK", "{\"rescan\", 10, 1,", "{\"rescan\", 10, LEAST,"),
    ("CHECK", "static const char *const paths[]", "const char *paths[]"),
    ("CHECK", '"hook|events", check_events', '"hook|events", check_up'),
    ("CHECK", "value < LIMIT_RING_MIN", "value <= LIMIT_RING_MIN"),
    ("CONFIG", 'keep("user"', 'keep_text("user"'),
])
def test_what_is_not_understood_is_an_error(monkeypatch, module, there,
                                            instead):
    source = getattr(options, module)
    assert there in source
    monkeypatch.setattr(options, module, source.replace(there, instead))
    with pytest.raises((options.Unknown, KeyError)):
        options.all_options()


@pytest.mark.parametrize("module,there,instead", [
    ("PARSE", '"/run/xenterm"', '"/run/other"'),
    ("CHECK", '{"rescan", 10, 1, 3600,', '{"rescan", 20, 1, 3600,'),
    ("CHECK", '{"days", 0, 0, 36500,', '{"days", 0, 0, 365,'),
])
def test_a_change_of_the_code_is_one_of_the_documents(monkeypatch, module,
                                                      there, instead):
    source = getattr(options, module)
    assert there in source
    monkeypatch.setattr(options, module, source.replace(there, instead))
    changed = {path.name for path, text in configuration.made().items()
               if text != path.read_text()}
    assert {"configuration.md", "xenterm.conf.5"} <= changed


# --- figures ----------------------------------------------------------------------

def test_the_table_of_capacity_is_what_the_model_gives():
    spec = importlib.util.spec_from_file_location(
        "capacity", TOP / "tests/bench/capacity.py")
    capacity = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(capacity)
    table = capacity.table(guests=50, watched=0.05, viewers=1.5, keys=0.05)
    assert table in (TOP / "docs/scale.md").read_text()


# --- spelling ---------------------------------------------------------------------

def test_spelling():
    done = subprocess.run(
        ["codespell", "--ignore-words", TOP / "tests/docs/words",
         *PAGES, TOP / "NEWS", *sorted((TOP / "docs").glob("*.[158]")),
         *sorted((TOP / "conf").rglob("*.*"))],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
