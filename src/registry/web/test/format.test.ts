import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, duration, rate } from "../src/format";
import { joinAddress, sidecarConfiguration } from "../src/sidecarconf";
import { instance } from "./samples";

test("bytes are short", () => {
    assert.deepEqual([0, 999, 1000, 1234, 56_789, 999_950, 1e12].map(bytes), [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.2 kB",
        "57 kB",
        "1.0 MB",
        "1.0 TB",
    ]);
    assert.equal(rate(1500), "1.5 kB/s");
});

test("durations say enough", () => {
    assert.deepEqual([-3, 59, 95, 7200, 200_000].map(duration), [
        "0 s",
        "59 s",
        "1 min",
        "2 h",
        "2 d",
    ]);
});

test("a sidecar's configuration has what the instance has", () => {
    const shop = instance("shop", ["http"], { "db*": null });
    const text = sidecarConfiguration("shop", "demo.example", "127.0.0.1:4711", shop);
    assert.match(text, /address = "127\.0\.0\.1:4711"; join_token_file = "shop\.token"/);
    assert.match(text, /\{ name = "db"; required = true; \}/);
    assert.match(text, /\{ name = "http"; target = "127\.0\.0\.1:80"; \}/);
    assert.match(text, /listen = "127\.0\.0\.1:15008"/);
});

test("one without interfaces is given examples, as comments", () => {
    const text = sidecarConfiguration("new", "demo.example", "registry:15010", undefined);
    assert.ok(!/^outbounds/m.test(text));
    assert.match(text, /^# outbounds/m);
});

test("the registry's own word about its address goes first", () => {
    assert.equal(joinAddress("10.0.0.1:99", "localhost"), "10.0.0.1:99");
    assert.equal(joinAddress(undefined, "registry.example"), "registry.example:15010");
    assert.equal(joinAddress(undefined, "::1"), "[::1]:15010");
});
