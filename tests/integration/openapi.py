"""docs/openapi.yaml as a judge: what whole_site.py is answered must be what the
document says, wherever a test asks."""

import functools
import pathlib
import re

import jsonschema
import yaml

TOP = pathlib.Path(__file__).resolve().parent.parent.parent

# Schemas of answers that no other one extends: nothing else may be in them.
COMPLETE = ("Size", "Viewer", "Console", "AdminConsole", "Expected", "Health")


class Document:
    def __init__(self):
        text = (TOP / "docs/openapi.yaml").read_text()
        self.root = yaml.safe_load(text)
        schemas = self.root["components"]["schemas"]
        for name in COMPLETE:
            schemas[name].setdefault("additionalProperties", False)
        schemas["Event"]["unevaluatedProperties"] = False
        self.resolver = jsonschema.RefResolver("", self.root)
        self.paths = {"public": [], "admin": []}
        self.answered = set()   # (tag, METHOD, path) with a status below 300
        for path, item in self.root["paths"].items():
            for method in ("get", "post", "put", "delete"):
                if method not in item:
                    continue
                tag = item[method]["tags"][0]
                pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
                self.paths[tag].append(
                    (re.compile(pattern), method.upper(), path, item[method]))

    def operations(self):
        return {(tag, method, path) for tag, rows in self.paths.items()
                for _, method, path, _ in rows}

    def follow(self, value):
        while "$ref" in value:
            value = self.resolver.resolve(value["$ref"])[1]
        return value

    @functools.lru_cache(maxsize=None)
    def validator(self, tag, method, path, status, kind):
        """None: no schema is given."""
        operation = next(row[3] for row in self.paths[tag]
                         if row[1:3] == (method, path))
        responses = operation["responses"]
        where = f"{method} {path}: {status} {kind}"
        assert status in responses or "default" in responses, where
        response = self.follow(responses.get(status, responses.get("default")))
        content = response.get("content", {})
        assert kind in content or (kind == "" and not content), where
        schema = content.get(kind, {}).get("schema")
        if schema is None or "json" not in kind:
            return None
        whole = {"allOf": [schema]}
        # A problem may have members of its own.
        if "problem" not in kind:
            whole["unevaluatedProperties"] = False
        return jsonschema.Draft202012Validator(whole, resolver=self.resolver)

    def judge(self, tag, method, target, answer):
        """An answer of whole_site.py to a request for target."""
        path = target.split("?")[0]
        row = next((row for row in self.paths[tag] if row[1] == method
                    and row[0].fullmatch(path)), None)
        kind = answer.type.split(";")[0]
        # nginx' own pages tell of what never came to the worker.
        if row is None or (answer.status >= 400 and kind == "text/html"):
            return
        validator = self.validator(
            tag, method, row[2], str(answer.status), kind)
        if validator is not None:
            error = jsonschema.exceptions.best_match(
                validator.iter_errors(answer.json()))
            assert error is None, f"{method} {target}: {error}"
        if answer.status < 300:
            self.answered.add((tag, method, row[2]))


DOCUMENT = Document()
