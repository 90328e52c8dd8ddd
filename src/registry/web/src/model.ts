/* What the page knows: the registry's instances and connections, who looks at them, and whether that is still
   true. It changes only by what the registry has said. Views look at it again when they are told to. */

import type { Connection, Instance, Role, Session, Traffic } from "./api";
import { History, type Rate } from "./rates";

/** What has changed: `all` after the lists were read anew, `traffic` if only counters moved. */
export interface Change {
    all: boolean;
    /** Instances and connections came, went, or changed in more than their counters. */
    shape: boolean;
    connections: ReadonlySet<string>;
    instances: ReadonlySet<string>;
    /** Live or not, or another session. */
    standing: boolean;
}

const rank: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

function sameButCounters(a: Connection, b: Connection): boolean {
    return (
        a.status === b.status &&
        a.reason === b.reason &&
        a.detail === b.detail &&
        a.port === b.port &&
        a.outbound_required === b.outbound_required &&
        a.replicas.length === b.replicas.length &&
        JSON.stringify(a.replicas) === JSON.stringify(b.replicas)
    );
}

export class Model {
    readonly instances = new Map<string, Instance>();
    readonly connections = new Map<string, Connection>();
    session: Session | null = null;
    /** Whether what is shown is what the registry says now. */
    live = false;
    /** When it last was; 0 if never. */
    lastLive = 0;

    private readonly histories = new Map<string, History>();
    private readonly listeners = new Set<(change: Change) => void>();
    private changedConnections = new Set<string>();
    private changedInstances = new Set<string>();
    private all = false;
    private shape = false;
    private standing = false;
    private planned = false;

    /** Calls `listener` after changes, those of one moment together. Returns how to stop that. */
    listen(listener: (change: Change) => void): () => void {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
    }

    may(role: Role): boolean {
        return this.session !== null && rank[this.session.role] >= rank[role];
    }

    setSession(session: Session | null): void {
        this.session = session;
        this.standing = true;
        this.plan();
    }

    setLive(live: boolean, now: number): void {
        if (live || this.live) {
            this.lastLive = now;
        }
        if (!live) {
            this.histories.forEach((history) => history.interrupt());
        }
        if (live !== this.live) {
            this.live = live;
            this.standing = true;
            this.plan();
        }
    }

    /** The lists, whole. What is not in them is gone. */
    replace(instances: Instance[], connections: Connection[], now: number): void {
        this.instances.clear();
        instances.forEach((each) => this.instances.set(each.name, each));
        this.connections.clear();
        connections.forEach((each) => {
            this.connections.set(each.id, each);
            this.measure(each, now);
        });
        for (const id of this.histories.keys()) {
            if (!this.connections.has(id)) {
                this.histories.delete(id);
            }
        }
        this.all = this.shape = true;
        this.plan();
    }

    putInstance(instance: Instance): void {
        this.instances.set(instance.name, instance);
        this.changedInstances.add(instance.name);
        this.shape = true;
        this.plan();
    }

    removeInstance(name: string): void {
        if (this.instances.delete(name)) {
            this.changedInstances.add(name);
            this.shape = true;
            this.plan();
        }
    }

    putConnection(connection: Connection, now: number): void {
        const old = this.connections.get(connection.id);
        this.connections.set(connection.id, connection);
        this.measure(connection, now);
        this.changedConnections.add(connection.id);
        this.shape ||= !old || !sameButCounters(old, connection);
        this.plan();
    }

    /** The counters of a connection that is in use. */
    putTraffic({ id, streams, sent, received }: Traffic, now: number): void {
        const connection = this.connections.get(id);
        if (connection) {
            this.putConnection({ ...connection, streams, sent, received }, now);
        }
    }

    removeConnection(id: string): void {
        if (this.connections.delete(id)) {
            this.histories.delete(id);
            this.changedConnections.add(id);
            this.shape = true;
            this.plan();
        }
    }

    rate(id: string, now: number): Rate {
        return this.histories.get(id)?.rate(now) ?? { sent: 0, received: 0 };
    }

    history(id: string): History | undefined {
        return this.histories.get(id);
    }

    /** The connections of an instance, as a source and as a target. */
    connectionsOf(name: string): { from: Connection[]; to: Connection[] } {
        const all = [...this.connections.values()];
        return {
            from: all.filter((each) => each.source_instance === name),
            to: all.filter((each) => each.target_instance === name),
        };
    }

    private measure(connection: Connection, now: number): void {
        let history = this.histories.get(connection.id);
        if (!history) {
            this.histories.set(connection.id, (history = new History()));
        }
        history.add({
            time: now,
            sent: connection.sent,
            received: connection.received,
        });
    }

    private plan(): void {
        if (!this.planned) {
            this.planned = true;
            queueMicrotask(() => this.tell());
        }
    }

    private tell(): void {
        const change: Change = {
            all: this.all,
            shape: this.shape,
            standing: this.standing,
            connections: this.changedConnections,
            instances: this.changedInstances,
        };
        this.planned = this.all = this.shape = this.standing = false;
        this.changedConnections = new Set();
        this.changedInstances = new Set();
        this.listeners.forEach((listener) => listener(change));
    }
}
