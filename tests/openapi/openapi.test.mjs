// docs/openapi.yaml: valid, and the same calls as the worker's two tables.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { parse } from "yaml";

const top = new URL("../../", import.meta.url);
const read = (path) => readFileSync(new URL(path, top), "utf8");
const text = read("docs/openapi.yaml");
const document = parse(text);

// The rows of a table in C: method, path, what it needs, body, names.
function rows(path) {
  const row = /\{"([A-Z]+)",\s*"([^"]+)",\s*([A-Z0-9_| ]+),\s*(BODY_\w+),\s*(NULL|NAMES\(([^)]*)\)),\s*\w+\}/g;
  const source = read(path);
  const found = [...source.matchAll(row)];
  assert.equal(found.length, [...source.matchAll(/\{"[A-Z]+",\s*"\//g)].length, `rows of ${path}`);
  return found.map(([, method, at, needs, body, , names = ""]) => ({
    call: `${method} ${at}`,
    needs: needs.split("|").map((need) => need.trim()),
    body,
    names: [...names.matchAll(/"(\w+)"/g)].map(([, name]) => name).sort(),
  }));
}

const follow = (value) =>
  value?.$ref ? value.$ref.slice(2).split("/").reduce((at, key) => at[key], document) : value;

// The documented calls of one interface in the same form.
function documented(tag) {
  const calls = [];
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of ["get", "post", "put", "delete"]) {
      const operation = item[method];
      if (operation?.tags[0] !== tag) continue;
      const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(follow);
      const content = follow(operation.requestBody)?.content ?? {};
      calls.push({
        call: `${method.toUpperCase()} ${path.replace(/\{\w+\}/, "*")}`,
        operation,
        query: parameters.filter((p) => p.in === "query").map((p) => p.name).sort(),
        required: parameters.filter((p) => p.in === "query" && p.required).map((p) => p.name),
        content,
      });
    }
  }
  return calls;
}

const types = {
  BODY_NONE: [],
  BODY_JSON: ["application/json"],
  BODY_BYTES: ["application/octet-stream"],
  BODY_FORM: ["application/x-www-form-urlencoded"],
};

test("it is valid OpenAPI 3.1", async () => {
  const result = await new Validator().validate(text);
  assert.ok(result.valid, JSON.stringify(result.errors, null, 2));
  assert.equal(document.openapi, "3.1.0");
});

test("a broken one is noticed", async () => {
  const broken = parse(text);
  delete broken.paths["/healthz"].get.responses;
  broken.paths["/healthz"].get.sumary = "x";
  assert.equal((await new Validator().validate(broken)).valid, false);
});

test("all references lead somewhere, and all that is defined is used", () => {
  const used = new Set([...text.matchAll(/\$ref: "#\/([^"]+)"/g)].map(([, path]) => path));
  for (const path of used) assert.ok(follow({ $ref: `#/${path}` }), path);
  for (const [kind, all] of Object.entries(document.components)) {
    if (kind === "securitySchemes") continue;
    for (const name of Object.keys(all)) assert.ok(used.has(`components/${kind}/${name}`), `${kind}/${name}`);
  }
});

for (const [tag, table] of [["public", "fcgi/route.c"], ["admin", "fcgi/admin_routes.c"]]) {
  test(`the ${tag} calls are those of ${table}`, () => {
    const calls = new Map(documented(tag).map((call) => [call.call, call]));
    const all = rows(table);
    assert.deepEqual([...calls.keys()].sort(), all.map((row) => row.call).sort());
    for (const row of all) {
      const { content, operation, query, required } = calls.get(row.call);
      assert.deepEqual(Object.keys(content), types[row.body], row.call);
      const isForm = row.needs.includes("TAKES_FORM");
      const members = row.body === "BODY_JSON" && !row.needs.includes("TAKES_STEPS");
      if (members)
        assert.deepEqual(Object.keys(content["application/json"].schema.properties).sort(), row.names, row.call);
      if (row.needs.includes("NUMBERED")) assert.deepEqual(query, ["seq"], row.call);
      else if (members) assert.deepEqual(query, [], row.call);
      else if (!isForm) assert.deepEqual(query, row.names, row.call);
      assert.equal(required.includes("console"), row.needs.includes("NEEDS_CONSOLE"), row.call);
      const token = (operation.security ?? document.security).some((way) => "token" in way);
      assert.equal(token, row.needs.includes("NEEDS_TOKEN"), row.call);
      assert.equal(Boolean(operation.servers), tag === "admin", row.call);
    }
  });
}
