/* The sizes of what is drawn: cards of instances with their ports at the sides, and the wires between them.
   Units are those of the drawing at zoom 1. */

import type { Instance } from "./api";

export interface Point {
    x: number;
    y: number;
}

export const CARD_WIDTH = 216;
export const HEAD_HEIGHT = 46;
export const ROW_HEIGHT = 22;
const FOOT_HEIGHT = 8;
/** How far from a port's middle a wire begins, so that plug and arrow are both seen. */
const WIRE_OFF = 7;

export interface Port {
    name: string;
    side: "inbound" | "outbound";
    required: boolean;
    connected: boolean;
    /** From the middle of the card. */
    at: Point;
}

export interface Card {
    name: string;
    width: number;
    height: number;
    ports: Port[];
}

export function cardOf(instance: Instance): Card {
    const rows = Math.max(instance.inbounds.length, instance.outbounds.length);
    const height = HEAD_HEIGHT + rows * ROW_HEIGHT + (rows > 0 ? FOOT_HEIGHT : 0);
    const y = (row: number): number => -height / 2 + HEAD_HEIGHT + ROW_HEIGHT * (row + 0.5);
    return {
        name: instance.name,
        width: CARD_WIDTH,
        height,
        ports: [
            ...instance.inbounds.map((inbound, row): Port => ({
                name: inbound.name,
                side: "inbound",
                required: false,
                connected: inbound.connections > 0,
                at: { x: -CARD_WIDTH / 2, y: y(row) },
            })),
            ...instance.outbounds.map((outbound, row): Port => ({
                name: outbound.name,
                side: "outbound",
                required: outbound.required,
                connected: outbound.connection !== null,
                at: { x: CARD_WIDTH / 2, y: y(row) },
            })),
        ],
    };
}

/** Where a wire meets the card, from its middle: at the port, or at the head if that is not there (any more). */
export function wireEnd(card: Card, side: Port["side"], name: string): Point {
    const port = card.ports.find((each) => each.side === side && each.name === name);
    const out = side === "outbound" ? 1 : -1;
    return port
        ? { x: port.at.x + out * WIRE_OFF, y: port.at.y }
        : { x: (out * card.width) / 2, y: -card.height / 2 + HEAD_HEIGHT / 2 };
}

/** The port nearest to a place (from the middle of the card), within `reach`. */
export function portAt(card: Card, place: Point, reach: number): Port | null {
    let best: Port | null = null;
    let least = reach;
    for (const port of card.ports) {
        const distance = Math.hypot(port.at.x - place.x, port.at.y - place.y);
        if (distance <= least) {
            least = distance;
            best = port;
        }
    }
    return best;
}

/**
 * The points that bend a wire: it leaves to the right and comes in from the left; in between it keeps to its
 * lane, if it has one.
 */
export function bends(from: Point, to: Point, lane: readonly Point[] = []): Point[] {
    const reach = (across: number): number =>
        across >= 0
            ? Math.max(30, Math.min(across * 0.45, 180))
            : Math.min(60 - across * 0.25 + Math.abs(to.y - from.y) * 0.1, 260);
    const first = lane[0] ?? to;
    const last = lane.at(-1) ?? from;
    return [
        { x: from.x + reach(first.x - from.x), y: from.y },
        ...lane,
        { x: to.x - reach(to.x - last.x), y: to.y },
    ];
}

/**
 * The same points as the graph library wants them: `weights` along the straight line between the ends, and
 * `distances` from it.
 */
export function bendsAlong(
    from: Point,
    to: Point,
    lane: readonly Point[] = [],
): { weights: number[]; distances: number[] } {
    const x = to.x - from.x;
    const y = to.y - from.y;
    const length = Math.hypot(x, y) || 1;
    const weights: number[] = [];
    const distances: number[] = [];
    for (const bend of bends(from, to, lane)) {
        const bx = bend.x - from.x;
        const by = bend.y - from.y;
        weights.push((bx * x + by * y) / (length * length));
        distances.push((by * x - bx * y) / length);
    }
    return { weights, distances };
}

/** How thick a wire is for so many bytes a second: each tenfold adds the same. */
export function wireWidth(bytesPerSecond: number): number {
    return bytesPerSecond < 1 ? 1.6 : Math.min(1.8 + Math.log10(bytesPerSecond) * 0.75, 8);
}
