/*
 * Where instances stand when nobody has moved them: in layers from left to right, so that wires run from the
 * plugs at the right of one card to the hubs at the left of another. Cycles are cut where they close; the order
 * in a layer follows the neighbours (barycentres); heights bring wires near to straight without overlaps.
 * Takes milliseconds for a thousand instances, and gives the same for the same input.
 */

import type { Point } from "./geometry";

export interface Box {
    name: string;
    width: number;
    height: number;
}

export interface Wire {
    id: string;
    from: string;
    to: string;
    /** Where it meets the boxes, from their middles. */
    fromY: number;
    toY: number;
}

const GAP_X = 172; /* the label of a wire is 125 */
const GAP_X_UPRIGHT = 84;
const GAP_Y = 30;
const GAP_PART = 90;
const SWEEPS = 12;
const SETTLES = 10;

interface Link {
    node: Node;
    own: number;
    other: number;
    id: string;
}

interface Node {
    box: Box;
    /** Not an instance, but where a long wire passes its layer. */
    lane: boolean;
    layer: number;
    order: number;
    y: number;
    next: Link[];
    prior: Link[];
}

export interface Plan {
    /** The middle of each box. */
    places: Map<string, Point>;
    /** By the id of a wire that passes other layers: the points between which it runs level there. */
    lanes: Map<string, Point[]>;
}

interface Part extends Plan {
    width: number;
    height: number;
}

/** More wires than this have no lanes of their own. */
const LANES_MOST = 600;

export function layOut(boxes: readonly Box[], wires: readonly Wire[], aspect = 1.7): Plan {
    const nodes = new Map<string, Node>();
    for (const box of [...boxes].sort((a, b) => (a.name < b.name ? -1 : 1))) {
        nodes.set(box.name, { box, lane: false, layer: 0, order: 0, y: 0, next: [], prior: [] });
    }
    for (const { id, from, to, fromY, toY } of wires) {
        const source = nodes.get(from);
        const target = nodes.get(to);
        if (source && target && source !== target) {
            source.next.push({ node: target, own: fromY, other: toY, id });
            target.prior.push({ node: source, own: toY, other: fromY, id });
        }
    }
    const alone: Node[] = [];
    const parts: Part[] = [];
    for (const part of componentsOf([...nodes.values()])) {
        if (part.length === 1) {
            alone.push(part[0]!);
        } else {
            parts.push(
                placePart(part, aspect < 1 ? GAP_X_UPRIGHT : GAP_X, wires.length <= LANES_MOST),
            );
        }
    }
    parts.sort((a, b) => b.width * b.height - a.width * a.height);
    if (alone.length > 0) {
        parts.push(placeGrid(alone, Math.max(...parts.map((part) => part.width), 0), aspect));
    }
    return pack(parts, aspect);
}

function componentsOf(nodes: Node[]): Node[][] {
    const seen = new Set<Node>();
    const parts: Node[][] = [];
    for (const start of nodes) {
        if (seen.has(start)) {
            continue;
        }
        const part = [start];
        seen.add(start);
        for (let i = 0; i < part.length; i++) {
            const node = part[i]!;
            for (const { node: other } of [...node.next, ...node.prior]) {
                if (!seen.has(other)) {
                    seen.add(other);
                    part.push(other);
                }
            }
        }
        parts.push(part);
    }
    return parts;
}

/** Layers by the longest way from a source; wires that close a cycle do not count. */
function assignLayers(part: Node[]): void {
    const state = new Map<Node, "open" | "done">();
    const backwards = new Set<unknown>();
    const finished: Node[] = [];
    const sorted = [...part].sort((a, b) => a.prior.length - b.prior.length);
    for (const start of sorted) {
        if (state.has(start)) {
            continue;
        }
        const stack = [{ node: start, at: 0 }];
        state.set(start, "open");
        while (stack.length > 0) {
            const top = stack.at(-1)!;
            const wire = top.node.next[top.at++];
            if (!wire) {
                state.set(top.node, "done");
                finished.push(top.node);
                stack.pop();
            } else if (state.get(wire.node) === "open") {
                backwards.add(wire);
            } else if (!state.has(wire.node)) {
                state.set(wire.node, "open");
                stack.push({ node: wire.node, at: 0 });
            }
        }
    }
    finished.reverse();
    for (const node of finished) {
        for (const wire of node.next) {
            if (!backwards.has(wire)) {
                wire.node.layer = Math.max(wire.node.layer, node.layer + 1);
            }
        }
    }
    /* What has no wire to it stands next to the nearest that it goes to. */
    for (const node of finished) {
        const forward = node.next.filter((wire) => !backwards.has(wire));
        if (node.prior.length === 0 && forward.length > 0) {
            node.layer = Math.min(...forward.map((wire) => wire.node.layer)) - 1;
        }
    }
}

/** Puts a place to pass into each layer that a wire crosses. Gives those of each wire. */
function addLanes(part: Node[]): Map<string, Node[]> {
    const lanes = new Map<string, Node[]>();
    for (const from of [...part]) {
        for (const link of from.next) {
            const to = link.node;
            const crossed = to.layer - from.layer - 1;
            if (crossed < 1 || lanes.has(link.id)) {
                continue;
            }
            const chain: Node[] = [];
            let before = from;
            let own = link.own;
            let first = link;
            for (let step = 1; step <= crossed; step++) {
                const lane: Node = {
                    box: { name: "", width: 0, height: 0 },
                    lane: true,
                    layer: from.layer + step,
                    order: 0,
                    y: 0,
                    next: [],
                    prior: [{ node: before, own: 0, other: own, id: link.id }],
                };
                if (before === from) {
                    first = { ...link, node: lane, other: 0 };
                } else {
                    before.next.push({ node: lane, own: 0, other: 0, id: link.id });
                }
                chain.push(lane);
                before = lane;
                own = 0;
            }
            before.next.push({ node: to, own: 0, other: link.other, id: link.id });
            const back = to.prior.find((each) => each.id === link.id && each.node === from)!;
            Object.assign(back, { node: before, other: 0 });
            Object.assign(link, first);
            part.push(...chain);
            lanes.set(link.id, chain);
        }
    }
    return lanes;
}

function layersOf(part: Node[]): Node[][] {
    const layers: Node[][] = [];
    for (const node of part) {
        (layers[node.layer] ??= []).push(node);
    }
    return layers.filter((layer) => layer !== undefined);
}

function orderLayers(layers: Node[][]): void {
    const number = (layer: Node[]): void =>
        layer.forEach((node, index) => (node.order = (index + 0.5) / layer.length));
    layers.forEach(number);
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
        const down = sweep % 2 === 0;
        for (const layer of down ? layers : [...layers].reverse()) {
            const wish = new Map<Node, number>();
            for (const node of layer) {
                const wires = down ? node.prior : node.next;
                const sum = wires.reduce(
                    (all, wire) => all + wire.node.order + wire.other * 1e-5,
                    0,
                );
                wish.set(node, wires.length > 0 ? sum / wires.length : node.order);
            }
            layer.sort((a, b) => wish.get(a)! - wish.get(b)!);
            number(layer);
        }
    }
}

/** Moves the middles of a column as near to `wish` as order and gaps let them (pooled neighbours). */
function settle(column: Node[], wish: (node: Node) => number): void {
    const blocks: { nodes: Node[]; sum: number; height: number }[] = [];
    for (const node of column) {
        /* In a block all wishes are those of its upper end. */
        let block = {
            nodes: [node],
            sum: wish(node) - node.box.height / 2,
            height: node.box.height + GAP_Y,
        };
        for (let last = blocks.at(-1); last; last = blocks.at(-1)) {
            const end = last.sum / last.nodes.length + last.height;
            if (end <= block.sum / block.nodes.length) {
                break;
            }
            blocks.pop();
            block = {
                nodes: [...last.nodes, ...block.nodes],
                sum: last.sum + block.sum - last.height * block.nodes.length,
                height: last.height + block.height,
            };
        }
        blocks.push(block);
    }
    for (const block of blocks) {
        let y = block.sum / block.nodes.length;
        for (const node of block.nodes) {
            node.y = y + node.box.height / 2;
            y += node.box.height + GAP_Y;
        }
    }
}

function placePart(part: Node[], gap: number, withLanes: boolean): Part {
    assignLayers(part);
    const passing = withLanes ? addLanes(part) : new Map<string, Node[]>();
    const layers = layersOf(part);
    orderLayers(layers);

    /* A layer that is much higher than the whole is wide stands in several columns. */
    const area = part.reduce((sum, { box }) => sum + (box.width + gap) * (box.height + GAP_Y), 0);
    const highest = Math.max(900, Math.sqrt(area) * 0.9);
    const columns: Node[][] = [];
    const gaps: number[] = [];
    for (const layer of layers) {
        const height = layer.reduce((sum, { box }) => sum + box.height + GAP_Y, 0);
        const count = Math.ceil(height / highest);
        for (let i = 0; i < count; i++) {
            columns.push(layer.filter((_, index) => index % count === i));
            gaps.push(i === count - 1 ? gap : gap / 2);
        }
    }
    for (const column of columns) {
        const height = column.reduce((sum, { box }) => sum + box.height + GAP_Y, 0);
        let y = -height / 2;
        for (const node of column) {
            node.y = y + node.box.height / 2;
            y += node.box.height + GAP_Y;
        }
    }
    for (let round = 0; round < SETTLES; round++) {
        for (const column of round % 2 === 0 ? columns : [...columns].reverse()) {
            settle(column, (node) => {
                /* Wires that cross a layer are kept straight before all others. */
                let sum = 0;
                let weights = 0;
                for (const link of [...node.prior, ...node.next]) {
                    const weight = (node.lane ? 2 : 1) * (link.node.lane ? 2 : 1);
                    sum += weight * (link.node.y + link.other - link.own);
                    weights += weight;
                }
                return sum / weights;
            });
        }
    }

    const places = new Map<string, Point>();
    const level = new Map<Node, Point[]>();
    const top = Math.min(...part.map((node) => node.y - node.box.height / 2));
    let bottom = -Infinity;
    let x = 0;
    columns.forEach((column, index) => {
        const width = Math.max(...column.map((node) => node.box.width));
        for (const node of column) {
            if (node.lane) {
                level.set(node, [
                    { x: x - 12, y: node.y - top },
                    { x: x + width + 12, y: node.y - top },
                ]);
            } else {
                places.set(node.box.name, { x: x + width / 2, y: node.y - top });
            }
            bottom = Math.max(bottom, node.y + node.box.height / 2 - top);
        }
        x += width + gaps[index]!;
    });
    const lanes = new Map(
        [...passing].map(([id, chain]) => [id, chain.flatMap((lane) => level.get(lane)!)]),
    );
    return { places, lanes, width: x - gaps.at(-1)!, height: bottom };
}

function placeGrid(nodes: Node[], least: number, aspect: number): Part {
    const cell = Math.max(...nodes.map((node) => node.box.width)) + GAP_Y * 1.5;
    const area = nodes.reduce((sum, { box }) => sum + cell * (box.height + GAP_Y), 0);
    const across = Math.max(1, Math.floor(Math.max(least, Math.sqrt(area * aspect)) / cell));
    const places = new Map<string, Point>();
    let y = 0;
    for (let start = 0; start < nodes.length; start += across) {
        const row = nodes.slice(start, start + across);
        row.forEach(({ box }, index) =>
            places.set(box.name, {
                x: index * cell + box.width / 2,
                y: y + box.height / 2,
            }),
        );
        y += Math.max(...row.map((node) => node.box.height)) + GAP_Y;
    }
    return {
        places,
        lanes: new Map(),
        width: Math.min(across, nodes.length) * cell,
        height: y - GAP_Y,
    };
}

/** Puts the parts in rows, the largest first. */
function pack(parts: Part[], aspect: number): Plan {
    const area = parts.reduce(
        (sum, part) => sum + (part.width + GAP_PART) * (part.height + GAP_PART),
        0,
    );
    const width = Math.max(...parts.map((part) => part.width), Math.sqrt(area * aspect));
    const places = new Map<string, Point>();
    const lanes = new Map<string, Point[]>();
    let x = 0;
    let y = 0;
    let row = 0;
    for (const part of parts) {
        if (x > 0 && x + part.width > width) {
            x = 0;
            y += row + GAP_PART;
            row = 0;
        }
        for (const [name, place] of part.places) {
            places.set(name, { x: place.x + x, y: place.y + y });
        }
        for (const [id, points] of part.lanes) {
            lanes.set(
                id,
                points.map((point) => ({ x: point.x + x, y: point.y + y })),
            );
        }
        x += part.width + GAP_PART;
        row = Math.max(row, part.height);
    }
    return { places, lanes };
}

/**
 * A place for a newcomer among those that stay where they are: beside its neighbours, or else below them all;
 * nowhere on top of another.
 */
export function placeNear(
    box: Box,
    wires: readonly Wire[],
    taken: ReadonlyMap<string, Point & Box>,
): Point {
    const wishes: Point[] = [];
    for (const wire of wires) {
        const before = wire.to === box.name ? taken.get(wire.from) : undefined;
        const after = wire.from === box.name ? taken.get(wire.to) : undefined;
        if (before) {
            wishes.push({
                x: before.x + before.width / 2 + GAP_X + box.width / 2,
                y: before.y,
            });
        }
        if (after) {
            wishes.push({
                x: after.x - after.width / 2 - GAP_X - box.width / 2,
                y: after.y,
            });
        }
    }
    const all = [...taken.values()];
    if (all.length === 0) {
        return { x: 0, y: 0 };
    }
    const wish =
        wishes.length > 0
            ? {
                  x: wishes.reduce((sum, each) => sum + each.x, 0) / wishes.length,
                  y: wishes.reduce((sum, each) => sum + each.y, 0) / wishes.length,
              }
            : {
                  x: Math.min(...all.map((each) => each.x - each.width / 2)) + box.width / 2,
                  y:
                      Math.max(...all.map((each) => each.y + each.height / 2)) +
                      GAP_Y * 2 +
                      box.height / 2,
              };
    const collides = (place: Point): boolean =>
        all.some(
            (each) =>
                Math.abs(each.x - place.x) < (each.width + box.width) / 2 + GAP_Y / 2 &&
                Math.abs(each.y - place.y) < (each.height + box.height) / 2 + GAP_Y / 2,
        );
    for (let step = 0; step < 200; step++) {
        const shift = Math.ceil(step / 2) * (step % 2 === 0 ? 1 : -1) * 40;
        const place = { x: wish.x, y: wish.y + shift };
        if (!collides(place)) {
            return place;
        }
    }
    return {
        x: wish.x,
        y: Math.max(...all.map((each) => each.y + each.height)) + box.height,
    };
}
