import assert from "node:assert/strict";
import { test } from "node:test";
import { layOut, placeNear, type Box, type Wire } from "../src/layout";
import { bendsAlong, cardOf, portAt, wireEnd } from "../src/geometry";
import { instance } from "./samples";

const box = (name: string): Box => ({ name, width: 200, height: 80 });
const wire = (from: string, to: string): Wire => ({
    id: `${from} ${to}`,
    from,
    to,
    fromY: 0,
    toY: 0,
});

function overlaps(boxes: Box[], places: Map<string, { x: number; y: number }>): string[] {
    const found: string[] = [];
    boxes.forEach((a, index) =>
        boxes.slice(index + 1).forEach((b) => {
            const p = places.get(a.name)!;
            const q = places.get(b.name)!;
            if (Math.abs(p.x - q.x) < 199 && Math.abs(p.y - q.y) < 79) {
                found.push(`${a.name} ${b.name}`);
            }
        }),
    );
    return found;
}

test("wires run from left to right", () => {
    const { places } = layOut(["a", "b", "c", "d"].map(box), [
        wire("a", "b"),
        wire("b", "c"),
        wire("d", "c"),
    ]);
    assert.ok(places.get("a")!.x < places.get("b")!.x);
    assert.ok(places.get("b")!.x < places.get("c")!.x);
    assert.equal(places.get("d")!.x, places.get("b")!.x);
});

test("cycles, lonely ones and many wires are laid out without overlaps, always the same", () => {
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
    const boxes = Array.from({ length: 120 }, (_, index) => box(`n${index}`));
    const wires = Array.from({ length: 240 }, () => wire(`n${random(100)}`, `n${random(100)}`));
    const { places } = layOut(boxes, wires);
    assert.equal(places.size, 120);
    assert.deepEqual(overlaps(boxes, places), []);
    assert.deepEqual(layOut([...boxes].reverse(), wires).places, places);
});

test("a wire over several layers has a lane that no card is in", () => {
    const boxes = ["a", "b", "c", "d"].map(box);
    const { places, lanes } = layOut(boxes, [
        wire("a", "b"),
        wire("b", "c"),
        wire("c", "d"),
        wire("a", "d"),
    ]);
    assert.deepEqual([...lanes.keys()], ["a d"]);
    for (const point of lanes.get("a d")!) {
        for (const place of places.values()) {
            assert.ok(Math.abs(place.x - point.x) > 100 || Math.abs(place.y - point.y) >= 50);
        }
    }
});

test("nothing is laid out, too", () => {
    assert.equal(layOut([], []).places.size, 0);
});

test("a thousand and three thousand are quick", () => {
    let seed = 3;
    const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
    const boxes = Array.from({ length: 1000 }, (_, index) => box(`n${index}`));
    const wires = Array.from({ length: 3000 }, () => wire(`n${random(1000)}`, `n${random(1000)}`));
    const begun = performance.now();
    layOut(boxes, wires);
    assert.ok(performance.now() - begun < 2000);
});

test("a newcomer stands beside its neighbour, and on nobody", () => {
    const taken = new Map([
        ["a", { ...box("a"), x: 0, y: 0 }],
        ["b", { ...box("b"), x: 372, y: 0 }],
    ]);
    const place = placeNear(box("c"), [wire("a", "c")], taken);
    assert.equal(place.x, 372);
    assert.ok(Math.abs(place.y) >= 80);
    const alone = placeNear(box("d"), [], taken);
    assert.ok(alone.y > 80);
});

test("ports are where their wires end", () => {
    const card = cardOf(instance("shop", ["http"], { "db*": null, mail: "c" }));
    const end = wireEnd(card, "outbound", "mail");
    assert.equal(portAt(card, end, 10)?.name, "mail");
    assert.equal(portAt(card, wireEnd(card, "inbound", "http"), 10)?.side, "inbound");
    assert.equal(portAt(card, { x: 0, y: 0 }, 10), null);
    assert.deepEqual(
        card.ports.map((port) => [port.name, port.required, port.connected]),
        [
            ["http", false, false],
            ["db", true, false],
            ["mail", false, true],
        ],
    );
});

test("bends along a level wire lie on it", () => {
    const { weights, distances } = bendsAlong({ x: 0, y: 0 }, { x: 200, y: 0 });
    assert.deepEqual(
        weights.map((each) => Math.round(each * 100)),
        [45, 55],
    );
    assert.ok(distances.every((each) => Math.abs(each) < 1e-9));
});
