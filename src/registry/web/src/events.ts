/* Follows the registry: its events, and whether they still come. After every interruption the lists are read
   anew, so that nothing that happened meanwhile is missed. */

import * as api from "./api";
import type { Model } from "./model";

const SOON_MS = 500;
const LATEST_MS = 5_000;
/** The registry is asked whether it is there after so long without a word. */
const QUIET_MS = 20_000;

export class Follower {
    private source: EventSource | null = null;
    private wait = SOON_MS;
    private timer = 0;
    private quiet = 0;
    /** Counts streams, so that what an old one still had under way is passed over. */
    private turn = 0;
    /** Events that came while the lists were being read; they are newer than those. */
    private held: (() => void)[] | null = null;

    constructor(private readonly model: Model) {
        addEventListener("offline", () => this.lose());
        addEventListener("online", () => this.retryNow());
        addEventListener("pagehide", () => this.stop());
        addEventListener("pageshow", (event) => event.persisted && this.start());
        document.addEventListener("visibilitychange", () => {
            if (document.visibilityState === "visible" && !this.model.live) {
                this.retryNow();
            }
        });
    }

    start(): void {
        this.stop();
        const turn = this.turn;
        const source = (this.source = new EventSource("/v1/events?traffic=true"));
        const on = (name: string, act: (data: never) => void): void => {
            source.addEventListener(name, (event) => {
                this.listenToSilence();
                let data: never;
                try {
                    data = JSON.parse((event as MessageEvent<string>).data) as never;
                } catch {
                    this.lose(); /* Something in between has cut it: begin anew. */
                    return;
                }
                if (this.held) {
                    this.held.push(() => act(data));
                } else {
                    act(data);
                }
            });
        };
        source.onopen = () => this.listenToSilence();
        source.onerror = () => this.lose();
        source.addEventListener("reset", () => void this.readLists(turn));
        on("connection", (data: api.Connection) => this.model.putConnection(data, Date.now()));
        on("traffic", (data: api.Traffic) => this.model.putTraffic(data, Date.now()));
        on("connection-removed", (data: { id: string }) => this.model.removeConnection(data.id));
        on("instance", (data: api.Instance) => this.model.putInstance(data));
        on("instance-removed", (data: { name: string }) => this.model.removeInstance(data.name));
    }

    stop(): void {
        this.turn++;
        this.source?.close();
        this.source = null;
        this.held = null;
        clearTimeout(this.timer);
        clearTimeout(this.quiet);
    }

    private async readLists(turn: number): Promise<void> {
        this.held ??= [];
        try {
            const [instances, connections] = await Promise.all([
                api.listInstances(),
                api.listConnections(),
            ]);
            if (turn !== this.turn) {
                return;
            }
            this.model.replace(instances, connections, Date.now());
            const held = this.held ?? [];
            this.held = null;
            held.forEach((act) => act());
            this.wait = SOON_MS;
            this.model.setLive(true, Date.now());
        } catch {
            if (turn === this.turn) {
                this.lose();
            }
        }
    }

    /** The stream is gone: say so, find out whether it is for want of a session, and dial again. */
    private lose(): void {
        this.stop();
        this.model.setLive(false, Date.now());
        const turn = this.turn;
        this.timer = setTimeout(
            () => void this.retry(turn),
            this.wait * (0.75 + Math.random() / 2),
        );
        this.wait = Math.min(this.wait * 1.6, LATEST_MS);
    }

    private async retry(turn: number): Promise<void> {
        try {
            const session = await api.session();
            if (turn !== this.turn) {
                return;
            }
            if (session === null) {
                this.onSignedOut();
            } else {
                this.model.setSession(session);
                this.start();
            }
        } catch {
            if (turn === this.turn) {
                this.lose();
            }
        }
    }

    private retryNow(): void {
        if (!this.model.live && this.model.session) {
            this.stop();
            this.wait = SOON_MS;
            void this.retry(this.turn);
        }
    }

    /** What the registry sends in silence is not shown to scripts: it is asked once when nothing came for long. */
    private listenToSilence(): void {
        clearTimeout(this.quiet);
        this.quiet = setTimeout(() => void this.checkSilence(this.turn), QUIET_MS);
    }

    private async checkSilence(turn: number): Promise<void> {
        const there = await api.isHealthy();
        if (turn === this.turn) {
            if (there) {
                this.model.setLive(true, Date.now());
                this.listenToSilence();
            } else {
                this.lose();
            }
        }
    }

    /** What happens when the registry answers that it does not know this browser. */
    onSignedOut: () => void = () => {};
}
