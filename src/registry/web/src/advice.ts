/* What is wrong with a connection, in the user's words, and what to do about it. The registry's own sentence
   (`detail`) stands beside it, as it is. */

import type { Connection, Instance, Status } from "./api";

export interface Advice {
    title: string;
    next: string;
}

/** How each state is written and explained. The shape is drawn beside the word, so that colour is never alone. */
export const states: Record<Status, { label: string; shape: string; meaning: string }> = {
    WAITING: {
        label: "Waiting",
        shape: "…",
        meaning: "Accepted; the two ends have not both confirmed yet.",
    },
    ESTABLISHED: {
        label: "Established",
        shape: "✓",
        meaning: "Measured: a probe has reached the application's port.",
    },
    FAILED: {
        label: "Failed",
        shape: "!",
        meaning: "It does not work. It is tried again by itself.",
    },
    TERMINATED: {
        label: "Terminated",
        shape: "×",
        meaning: "Being removed: both ends close it.",
    },
};

/** Why a failed connection fails; null for any other. */
export function advise(connection: Connection): Advice | null {
    if (connection.status !== "FAILED") {
        return null;
    }
    const source = connection.source_instance;
    const target = connection.target_instance;
    const hub = `${target} ${connection.inbound}`;
    switch (connection.reason) {
        case "no-replica":
            return {
                title: "No replica is running",
                next: `Start a sidecar of ${target}, and one of ${source}; each must be live for the wire to work.`,
            };
        case "unreachable":
            return {
                title: "The other sidecar cannot be reached",
                next: `See that the tunnel address of ${target}'s replicas is reachable from ${source}: advertise, firewall, network.`,
            };
        case "tls-refused":
            return {
                title: "The two sidecars do not trust each other",
                next: `Look at both certificates: an expired one, or another trust domain. A replica gets a new one by a join token.`,
            };
        case "not-authorised":
            return {
                title: `${target} does not let ${source} in`,
                next: `${target}'s sidecar has not heard of the connection. See that it is live here; it learns of it when it is.`,
            };
        case "target-refused":
            return {
                title: "The application does not answer",
                next: `Start the application of ${hub}, and see that it listens on port ${connection.port ?? "of the inbound"}.`,
            };
        case "listen-conflict":
            return {
                title: "The port is taken at the source",
                next: `Something else listens where ${source} ${connection.outbound} should. Stop it, or set another "listen" for this outbound.`,
            };
        case "interface-withdrawn":
            return {
                title: "One of the interfaces is gone",
                next: `${source} ${connection.outbound} or ${hub} is not offered any more. Bring it back, or disconnect.`,
            };
        default:
            return {
                title: "It does not work",
                next: "The sentence above says why; it is tried again by itself.",
            };
    }
}

export type Nearness = "fine" | "near" | "over" | "unknown";

/** How near the end of a certificate is. They are renewed at half of their life: one with little left is late. */
export function certificate(notAfter: string | null, now: number): Nearness {
    const end = notAfter === null ? NaN : Date.parse(notAfter);
    if (Number.isNaN(end)) {
        return "unknown";
    }
    return end <= now ? "over" : end - now < 6 * 3600_000 ? "near" : "fine";
}

/** What stops, or may stop, when it is disconnected. */
export function consequences(connection: Connection): string[] {
    const { source_instance: source, target_instance: target, streams } = connection;
    const lines: string[] = [];
    if (streams > 0) {
        lines.push(
            `${streams} live ${streams === 1 ? "stream is" : "streams are"} cut at once, in the middle of whatever ${streams === 1 ? "it carries" : "they carry"}.`,
        );
    } else {
        lines.push("No stream is open on it now.");
    }
    lines.push(
        `${source} finds nothing at ${connection.outbound} any more, and ${target} lets nothing of it in.`,
    );
    return lines;
}

/** What stands in the way of removing an instance: connections that come to it from others. */
export function incoming(name: string, connections: Iterable<Connection>): Connection[] {
    return [...connections].filter(
        (each) => each.target_instance === name && each.status !== "TERMINATED",
    );
}

/** The live replicas, and all that are known. */
export function replicas(instance: Instance): { live: number; known: number } {
    return {
        live: instance.replicas.filter((each) => each.live).length,
        known: instance.replicas.length,
    };
}

export type Health = "ok" | "wait" | "bad" | "gone";

/** How an instance is, and in few words why. */
export function health(
    instance: Instance,
    connections: ReadonlyMap<string, Connection>,
): { health: Health; note: string } {
    const { live, known } = replicas(instance);
    if (instance.removing) {
        return { health: "gone", note: "being removed" };
    }
    if (known === 0) {
        return { health: "gone", note: "no replica yet" };
    }
    const failing = instance.outbounds
        .filter((each) => connections.get(each.connection ?? "")?.status === "FAILED")
        .map((each) => each.name);
    const lacking = unmet(instance, connections).filter((name) => !failing.includes(name));
    const note = [
        `${live}/${known} live`,
        failing.length > 0 && `${failing.join(", ")} failed`,
        lacking.length > 0 && `needs ${lacking.join(", ")}`,
    ];
    return {
        health:
            live === 0 || failing.length > 0
                ? "bad"
                : lacking.length > 0 || live < known
                  ? "wait"
                  : "ok",
        note: note.filter(Boolean).join(" · "),
    };
}

/** What an instance still needs before its application can work: required outbounds that do not. */
export function unmet(instance: Instance, connections: ReadonlyMap<string, Connection>): string[] {
    return instance.outbounds
        .filter(
            (each) =>
                each.required && connections.get(each.connection ?? "")?.status !== "ESTABLISHED",
        )
        .map((each) => each.name);
}
