/* Bytes per second, from how far the counters of a connection have gone between two times. */

export interface Sample {
    time: number;
    sent: number;
    received: number;
}

export interface Rate {
    sent: number;
    received: number;
}

/** A span with a rate, in the past. */
export interface Point extends Rate {
    time: number;
}

const KEPT_MS = 5 * 60_000;
/** Nearer readings than this say more about the reports' timing than about the traffic. */
const NEAREST_MS = 900;
/** After so long without a changed counter nothing flows. */
const STALE_MS = 12_000;

/** The counters of one connection over the last minutes. */
export class History {
    private last: Sample | null = null;
    private held: Point[] = [];

    /** Takes a reading. Counters that went back began anew (a replica came or went): no rate is made of that. */
    add(sample: Sample): void {
        const last = this.last;
        if (last === null) {
            this.last = sample;
            return;
        }
        const span = sample.time - last.time;
        if (span < NEAREST_MS) {
            return;
        }
        this.last = sample;
        const sent = sample.sent - last.sent;
        const received = sample.received - last.received;
        if (sent < 0 || received < 0) {
            return;
        }
        const seconds = Math.min(span, STALE_MS) / 1000;
        if (span > STALE_MS) {
            this.held.push({ time: sample.time - STALE_MS, sent: 0, received: 0 });
        }
        this.held.push({
            time: sample.time,
            sent: sent / seconds,
            received: received / seconds,
        });
        const oldest = sample.time - KEPT_MS;
        while (this.held.length > 0 && this.held[0]!.time < oldest) {
            this.held.shift();
        }
    }

    /** Nothing that was before counts any more: the time in between is not known. */
    interrupt(): void {
        this.last = null;
    }

    /** What flows at `now`: the last rate, or nothing once it is stale. */
    rate(now: number): Rate {
        const point = this.held.at(-1);
        return point && now - point.time <= STALE_MS
            ? { sent: point.sent, received: point.received }
            : { sent: 0, received: 0 };
    }

    /** The rates of the last `span` milliseconds, oldest first. */
    points(now: number, span = KEPT_MS): Point[] {
        return this.held.filter((point) => point.time >= now - span);
    }
}
