import assert from "node:assert/strict";
import { test } from "node:test";
import { forbidsWire, inbounds, outbounds, sources, targets } from "../src/rules";
import { connection, instance } from "./samples";

const shop = instance("shop", ["http"], { "db*": null, mail: "c-1" });
const mysql = instance("mysql", ["sql"]);
const probe = instance("probe", [], { all: "c-2" });
const leaving = instance("leaving", ["x"], { y: null }, { removing: true });
const all = [shop, mysql, probe, leaving];
const connections = new Map([["c-1", connection("c-1", "shop mail post smtp")]]);
const reasons = (
    options: { value: string; forbidden: string | null }[],
): Record<string, string | null> =>
    Object.fromEntries(options.map((each) => [each.value, each.forbidden]));

test("a source has a free outbound", () => {
    assert.deepEqual(reasons(sources(all)), {
        leaving: "it is being removed",
        mysql: "it has no outbound",
        probe: "all its outbounds are connected",
        shop: null,
    });
});

test("an outbound has at most one connection, and the other end is named", () => {
    assert.deepEqual(reasons(outbounds(shop, connections)), {
        db: null,
        mail: "connected to post smtp",
    });
    assert.match(outbounds(shop, connections)[0]!.label, /required/);
    assert.deepEqual(outbounds(undefined, connections), []);
});

test("an instance is never connected to itself", () => {
    assert.deepEqual(reasons(targets(all, "shop")), {
        leaving: "it is being removed",
        mysql: null,
        probe: "it has no inbound",
        shop: "an instance is never connected to itself",
    });
});

test("an inbound takes any number", () => {
    assert.deepEqual(reasons(inbounds(mysql)), { sql: null });
});

test("a wire may be put where the rules let it", () => {
    assert.equal(forbidsWire(shop, "db", mysql, "sql"), null);
    assert.equal(forbidsWire(shop, "db", mysql, null), null);
    assert.match(forbidsWire(shop, "mail", mysql, "sql")!, /connected already/);
    assert.match(forbidsWire(shop, "db", shop, "http")!, /itself/);
    assert.match(forbidsWire(shop, "db", probe, null)!, /no inbound/);
    assert.match(forbidsWire(shop, "db", leaving, "x")!, /being removed/);
    assert.match(forbidsWire(shop, "gone", mysql, "sql")!, /not there/);
    assert.match(forbidsWire(shop, "db", mysql, "all")!, /outbound to an inbound/);
});
