import assert from "node:assert/strict";
import { test } from "node:test";
import { advise, certificate, consequences, health, incoming } from "../src/advice";
import { connection, instance } from "./samples";

test("every reason of a failure has advice of its own", () => {
    const reasons = [
        "no-replica",
        "unreachable",
        "tls-refused",
        "not-authorised",
        "target-refused",
        "listen-conflict",
        "interface-withdrawn",
        "one-that-is-not-known-yet",
    ];
    const titles = reasons.map(
        (reason) => advise(connection("c", "a b c d", { status: "FAILED", reason }))!.title,
    );
    assert.equal(new Set(titles).size, reasons.length);
});

test("what works has no advice", () => {
    assert.equal(advise(connection("c", "a b c d")), null);
    assert.equal(advise(connection("c", "a b c d", { status: "WAITING" })), null);
});

test("streams that will be cut are counted", () => {
    assert.match(
        consequences(connection("c", "a b c d", { streams: 1 }))[0]!,
        /^1 live stream is cut/,
    );
    assert.match(
        consequences(connection("c", "a b c d", { streams: 7 }))[0]!,
        /^7 live streams are cut/,
    );
    assert.match(consequences(connection("c", "a b c d"))[0]!, /^No stream/);
});

test("a certificate warns before its end", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    assert.equal(certificate("2026-01-01T12:00:00Z", now), "fine");
    assert.equal(certificate("2026-01-01T02:00:00Z", now), "near");
    assert.equal(certificate("2025-12-31T23:59:59Z", now), "over");
    assert.equal(certificate(null, now), "unknown");
    assert.equal(certificate("rubbish", now), "unknown");
});

test("an instance is well only if all that it requires is", () => {
    const shop = instance("shop", [], { "db*": "c-1" });
    const with_ = (status: "ESTABLISHED" | "WAITING" | "FAILED") =>
        health(shop, new Map([["c-1", connection("c-1", "shop db mysql sql", { status })]]));
    assert.equal(with_("ESTABLISHED").health, "ok");
    assert.deepEqual(with_("WAITING"), { health: "wait", note: "1/1 live · needs db" });
    assert.deepEqual(with_("FAILED"), { health: "bad", note: "1/1 live · db failed" });
    assert.equal(health({ ...shop, replicas: [] }, new Map()).health, "gone");
});

test("those that come to an instance are in the way of its removal", () => {
    const rows = [
        connection("c-1", "a x b y"),
        connection("c-2", "b x c y"),
        connection("c-3", "d x b y", { status: "TERMINATED" }),
    ];
    assert.deepEqual(
        incoming("b", rows).map((each) => each.id),
        ["c-1"],
    );
});
