import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../src/rates";

test("a rate is the difference over the time between", () => {
    const history = new History();
    history.add({ time: 10_000, sent: 1000, received: 0 });
    assert.deepEqual(history.rate(10_000), { sent: 0, received: 0 }, "one reading makes no rate");
    history.add({ time: 12_000, sent: 3000, received: 500 });
    assert.deepEqual(history.rate(12_500), { sent: 1000, received: 250 });
});

test("counters that go back begin anew", () => {
    const history = new History();
    history.add({ time: 0, sent: 5000, received: 0 });
    history.add({ time: 2000, sent: 100, received: 0 });
    assert.deepEqual(history.rate(2000), { sent: 0, received: 0 });
    history.add({ time: 4000, sent: 300, received: 0 });
    assert.equal(history.rate(4000).sent, 100);
});

test("silence is no traffic", () => {
    const history = new History();
    history.add({ time: 0, sent: 0, received: 0 });
    history.add({ time: 2000, sent: 2000, received: 0 });
    assert.equal(history.rate(2000).sent, 1000);
    assert.equal(history.rate(60_000).sent, 0);
});

test("what was counted while nobody looked is not a rate", () => {
    const history = new History();
    history.add({ time: 0, sent: 0, received: 0 });
    history.interrupt();
    history.add({ time: 60_000, sent: 1e9, received: 0 });
    assert.equal(history.rate(60_000).sent, 0);
});

test("readings that come too fast are put together", () => {
    const history = new History();
    history.add({ time: 0, sent: 0, received: 0 });
    history.add({ time: 10, sent: 1000, received: 0 });
    history.add({ time: 2000, sent: 2000, received: 0 });
    assert.equal(history.rate(2000).sent, 1000);
});

test("minutes are kept, not more", () => {
    const history = new History();
    for (let time = 0; time <= 1_000_000; time += 2000) {
        history.add({ time, sent: time, received: 0 });
    }
    const points = history.points(1_000_000);
    assert.equal(points.length, 151);
    assert.ok(points.every((point) => point.sent === 1000));
});
