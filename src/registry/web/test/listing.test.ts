import assert from "node:assert/strict";
import { test } from "node:test";
import { columns, list, matches, type Wish } from "../src/listing";
import { connection } from "./samples";

const rows = [
    connection("c-1", "shop db mysql sql", { port: 3306, created_at: "2026-01-03T00:00:00Z" }),
    connection("c-2", "blog db mysql sql", { port: 3306, status: "FAILED", reason: "unreachable" }),
    connection("c-3", "shop mail post smtp", { port: 25, status: "WAITING" }),
    connection("c-4", "post log disk in", { port: null, status: "TERMINATED" }),
];
const wish: Wish = { search: "", application: "", column: "status", descending: false };
const ids = (more: Partial<Wish>): string =>
    list(rows, { ...wish, ...more })
        .map((each) => each.id)
        .join(" ");

test("what is broken comes first", () => {
    assert.equal(ids({}), "c-2 c-3 c-4 c-1");
    assert.equal(ids({ descending: true }), "c-1 c-4 c-3 c-2");
});

test("every column sorts, and equal rows keep the order of their ends", () => {
    assert.equal(ids({ column: "source" }), "c-2 c-4 c-1 c-3");
    assert.equal(ids({ column: "target" }), "c-4 c-2 c-1 c-3");
    assert.equal(ids({ column: "port" }), "c-4 c-3 c-2 c-1");
    assert.equal(ids({ column: "age" }), "c-1 c-2 c-4 c-3");
    for (const column of columns) {
        assert.equal(list(rows, { ...wish, column }).length, rows.length);
    }
});

test("an application is found at both ends", () => {
    assert.equal(ids({ application: "post" }), "c-3 c-4");
});

test("all words of a search must be there, in any order, whatever their case", () => {
    assert.ok(matches(rows[0]!, "SQL shop"));
    assert.ok(matches(rows[0]!, " 3306 "));
    assert.ok(matches(rows[1]!, "unreachable"));
    assert.ok(!matches(rows[0]!, "shop post"));
    assert.equal(ids({ search: "mysql" }), "c-2 c-1");
});
