/* The rules of connecting, as far as the page has to know them: what cannot be chosen, and why. The registry
   decides; these only keep a person from asking for what it would refuse. */

import type { Connection, Instance } from "./api";

export interface Option {
    value: string;
    label: string;
    /** Why it cannot be chosen; null if it can. */
    forbidden: string | null;
}

function byName(a: { name: string }, b: { name: string }): number {
    return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** Who may be the source: those with a free outbound. */
export function sources(instances: readonly Instance[]): Option[] {
    return [...instances].sort(byName).map((instance) => ({
        value: instance.name,
        label: instance.name,
        forbidden: instance.removing
            ? "it is being removed"
            : instance.outbounds.length === 0
              ? "it has no outbound"
              : instance.outbounds.every((outbound) => outbound.connection !== null)
                ? "all its outbounds are connected"
                : null,
    }));
}

/** The outbounds of the source. One has at most one connection. */
export function outbounds(
    source: Instance | undefined,
    connections: ReadonlyMap<string, Connection>,
): Option[] {
    return [...(source?.outbounds ?? [])].sort(byName).map((outbound) => {
        const taken =
            outbound.connection === null ? undefined : connections.get(outbound.connection);
        return {
            value: outbound.name,
            label: outbound.name + (outbound.required ? " * (required)" : ""),
            forbidden:
                outbound.connection === null
                    ? null
                    : taken
                      ? `connected to ${taken.target_instance} ${taken.inbound}`
                      : "connected already",
        };
    });
}

/** Who may be the target: another instance that has an inbound. */
export function targets(instances: readonly Instance[], source: string): Option[] {
    return [...instances].sort(byName).map((instance) => ({
        value: instance.name,
        label: instance.name,
        forbidden:
            instance.name === source
                ? "an instance is never connected to itself"
                : instance.removing
                  ? "it is being removed"
                  : instance.inbounds.length === 0
                    ? "it has no inbound"
                    : null,
    }));
}

/** The inbounds of the target. Each takes any number of connections. */
export function inbounds(target: Instance | undefined): Option[] {
    return [...(target?.inbounds ?? [])].sort(byName).map((inbound) => ({
        value: inbound.name,
        label: `${inbound.name} (port ${inbound.port})`,
        forbidden: null,
    }));
}

/** What a wire that is being dragged may be put on: null, or why not. */
export function forbidsWire(
    source: Instance | undefined,
    outbound: string,
    target: Instance | undefined,
    inbound: string | null,
): string | null {
    const plug = source?.outbounds.find((each) => each.name === outbound);
    if (!source || !target || !plug) {
        return "it is not there any more";
    }
    if (plug.connection !== null) {
        return `${source.name} ${outbound} is connected already; disconnect it first`;
    }
    if (source.name === target.name) {
        return "an instance is never connected to itself";
    }
    if (source.removing || target.removing) {
        return `${(source.removing ? source : target).name} is being removed`;
    }
    if (target.inbounds.length === 0) {
        return `${target.name} has no inbound`;
    }
    return inbound !== null && !target.inbounds.some((each) => each.name === inbound)
        ? "a wire goes from an outbound to an inbound"
        : null;
}
