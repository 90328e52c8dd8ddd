/* Instances and connections as the registry tells of them. */

import type { Connection, Instance } from "../src/api";

export function instance(
    name: string,
    inbounds: string[] = [],
    outbounds: Record<string, string | null> = {},
    more: Partial<Instance> = {},
): Instance {
    return {
        name,
        applied: false,
        removing: false,
        created_at: "2026-01-01T00:00:00Z",
        revision: 1,
        replicas: [
            {
                id: "r".repeat(16),
                live: true,
                address: "127.0.0.1:1",
                version: "1",
                last_seen: "2026-01-01T00:00:00Z",
                certificate_not_after: null,
            },
        ],
        inbounds: inbounds.map((each, index) => ({ name: each, port: 80 + index, connections: 0 })),
        outbounds: Object.entries(outbounds).map(([each, connection]) => ({
            name: each.replace("*", ""),
            required: each.endsWith("*"),
            port: null,
            connection,
        })),
        ...more,
    };
}

export function connection(id: string, ends: string, more: Partial<Connection> = {}): Connection {
    const [source, outbound, target, inbound] = ends.split(" ") as [string, string, string, string];
    return {
        id,
        source_instance: source,
        outbound,
        outbound_required: false,
        target_instance: target,
        inbound,
        port: 80,
        status: "ESTABLISHED",
        reason: null,
        detail: null,
        created_at: "2026-01-01T00:00:00Z",
        streams: 0,
        sent: 0,
        received: 0,
        replicas: [],
        ...more,
    };
}
