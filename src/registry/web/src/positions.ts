/* Where a person has put the instances of a trust domain, kept by this browser. */

import type { Point } from "./geometry";

function key(trustDomain: string): string {
    return `appnet.positions.${trustDomain}`;
}

function isPoint(value: unknown): value is [number, number] {
    return (
        Array.isArray(value) && value.length === 2 && value.every((each) => Number.isFinite(each))
    );
}

/** What was kept; empty if nobody has moved anything yet, or what is there cannot be read. */
export function loadPositions(trustDomain: string): Map<string, Point> {
    const places = new Map<string, Point>();
    try {
        const kept = JSON.parse(localStorage.getItem(key(trustDomain)) ?? "{}") as Record<
            string,
            unknown
        >;
        for (const [name, place] of Object.entries(kept)) {
            if (isPoint(place)) {
                places.set(name, { x: place[0], y: place[1] });
            }
        }
    } catch {
        /* As if there were none. */
    }
    return places;
}

export function savePositions(trustDomain: string, places: ReadonlyMap<string, Point>): void {
    const kept = Object.fromEntries(
        [...places].map(([name, { x, y }]) => [name, [Math.round(x), Math.round(y)]]),
    );
    try {
        localStorage.setItem(key(trustDomain), JSON.stringify(kept));
    } catch {
        /* No room, or not allowed: they last as long as the page. */
    }
}

export function forgetPositions(trustDomain: string): void {
    try {
        localStorage.removeItem(key(trustDomain));
    } catch {
        /* Then there were none. */
    }
}
