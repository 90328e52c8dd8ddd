/* A made-up deployment, the same each time: layers of services, each using a few of those below it. */

export function fakeMesh(instanceCount, connectionCount) {
    let seed = 20;
    const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
    const now = new Date().toISOString();
    const layers = 8;
    const instances = Array.from({ length: instanceCount }, (_, index) => ({
        name: `service-${String(index).padStart(4, "0")}`,
        applied: false,
        removing: false,
        created_at: now,
        revision: index,
        replicas: Array.from({ length: 1 + random(3) }, (_, replica) => ({
            id: `${String(index).padStart(12, "0")}r${replica}xx`,
            live: random(40) > 0,
            address: `10.0.${index >> 8}.${index & 255}:15008`,
            version: "0.1.0",
            last_seen: now,
            certificate_not_after: new Date(Date.now() + 20 * 3600_000).toISOString(),
        })),
        inbounds: [
            { name: "http", port: 8080, connections: 0 },
            { name: "metrics", port: 9090, connections: 0 },
        ],
        outbounds: [],
    }));
    const connections = [];
    for (let index = 0; index < connectionCount; index++) {
        const from = random(instanceCount - Math.ceil(instanceCount / layers));
        const layer = Math.floor((from * layers) / instanceCount);
        const first = Math.ceil(((layer + 1) * instanceCount) / layers);
        const span = Math.min(instanceCount - first, Math.ceil(instanceCount / layers));
        const source = instances[from];
        const target = instances[first + random(span)];
        const inbound = target.inbounds[random(8) === 0 ? 1 : 0];
        const broken = random(60) === 0;
        const waiting = !broken && random(60) === 0;
        const outbound = {
            name: `use-${source.outbounds.length}`,
            required: random(3) === 0,
            port: 9000,
            connection: `c-${String(index).padStart(12, "0")}`,
        };
        source.outbounds.push(outbound);
        inbound.connections++;
        connections.push({
            id: outbound.connection,
            source_instance: source.name,
            outbound: outbound.name,
            outbound_required: outbound.required,
            target_instance: target.name,
            inbound: inbound.name,
            port: inbound.port,
            status: broken ? "FAILED" : waiting ? "WAITING" : "ESTABLISHED",
            reason: broken ? "unreachable" : null,
            detail: broken ? "its tunnel cannot be reached" : null,
            created_at: now,
            streams: random(9),
            sent: random(1e6),
            received: random(1e6),
            replicas: [],
        });
    }
    return { instances, connections };
}
