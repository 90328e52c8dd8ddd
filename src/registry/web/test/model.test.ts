import assert from "node:assert/strict";
import { test } from "node:test";
import { Model, type Change } from "../src/model";
import { connection, instance } from "./samples";

const told = async (model: Model, act: () => void): Promise<Change[]> => {
    const changes: Change[] = [];
    const stop = model.listen((change) => changes.push(change));
    act();
    await Promise.resolve();
    stop();
    return changes;
};

test("changes of one moment are told together", async () => {
    const model = new Model();
    const changes = await told(model, () => {
        model.putInstance(instance("a"));
        model.putInstance(instance("b"));
        model.putConnection(connection("c-1", "a x b y"), 0);
    });
    assert.equal(changes.length, 1);
    assert.ok(changes[0]!.shape);
    assert.deepEqual([...changes[0]!.instances], ["a", "b"]);
});

test("counters alone do not change the shape", async () => {
    const model = new Model();
    model.putConnection(connection("c-1", "a x b y"), 0);
    await Promise.resolve();
    const counted = await told(model, () =>
        model.putConnection(connection("c-1", "a x b y", { sent: 4000, streams: 1 }), 2000),
    );
    assert.equal(counted[0]!.shape, false);
    assert.equal(model.rate("c-1", 2000).sent, 2000);
    const failed = await told(model, () =>
        model.putConnection(connection("c-1", "a x b y", { status: "FAILED" }), 3000),
    );
    assert.equal(failed[0]!.shape, true);
});

test("what is not in the lists any more is gone", () => {
    const model = new Model();
    model.replace([instance("a")], [connection("c-1", "a x b y")], 0);
    model.replace([instance("b")], [], 1);
    assert.deepEqual([...model.instances.keys()], ["b"]);
    assert.equal(model.connections.size, 0);
    assert.equal(model.history("c-1"), undefined);
});

test("being lost is told at once, and when it was last seen is known", async () => {
    const model = new Model();
    model.setLive(true, 1000);
    const changes = await told(model, () => model.setLive(false, 5000));
    assert.ok(changes[0]!.standing);
    assert.equal(model.lastLive, 5000);
    model.setLive(false, 9000);
    assert.equal(model.lastLive, 5000, "a failed attempt is not a sight of it");
});

test("a role may what those below it may", () => {
    const model = new Model();
    assert.equal(model.may("viewer"), false);
    model.setSession({ role: "operator", trust_domain: "t", version: "1" });
    assert.ok(model.may("viewer") && model.may("operator") && !model.may("admin"));
});
