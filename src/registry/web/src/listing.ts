/* The list of connections as a person wants it: searched, filtered, sorted. */

import type { Connection, Status } from "./api";

export const columns = [
    "source",
    "outbound",
    "target",
    "inbound",
    "port",
    "status",
    "age",
] as const;
export type Column = (typeof columns)[number];

export interface Wish {
    search: string;
    /** An instance at either end; empty for all. */
    application: string;
    column: Column;
    descending: boolean;
}

/** Broken ones first, working ones last: that is what one looks for in a list of states. */
const order: Record<Status, number> = {
    FAILED: 0,
    WAITING: 1,
    TERMINATED: 2,
    ESTABLISHED: 3,
};

function key(connection: Connection, column: Column): string | number {
    switch (column) {
        case "source":
            return connection.source_instance;
        case "outbound":
            return connection.outbound;
        case "target":
            return connection.target_instance;
        case "inbound":
            return connection.inbound;
        case "port":
            return connection.port ?? 0;
        case "status":
            return order[connection.status];
        case "age":
            return -Date.parse(connection.created_at);
    }
}

function ends(connection: Connection): string {
    return `${connection.source_instance} ${connection.outbound} ${connection.target_instance} ${connection.inbound}`;
}

function compare<T extends string | number>(a: T, b: T): number {
    return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether each word of `search` is somewhere in what the row shows. */
export function matches(connection: Connection, search: string): boolean {
    const shown =
        `${ends(connection)} ${connection.port ?? ""} ${connection.status} ${connection.reason ?? ""} ${connection.id}`.toLowerCase();
    return search
        .toLowerCase()
        .split(/\s+/)
        .every((word) => shown.includes(word));
}

/** Those that are wished for, in their order; equal ones in the order of their ends. */
export function list(connections: Iterable<Connection>, wish: Wish): Connection[] {
    const sign = wish.descending ? -1 : 1;
    return [...connections]
        .filter(
            (each) =>
                (wish.application === "" ||
                    each.source_instance === wish.application ||
                    each.target_instance === wish.application) &&
                matches(each, wish.search),
        )
        .sort(
            (a, b) =>
                sign * compare(key(a, wish.column), key(b, wish.column)) ||
                compare(ends(a), ends(b)) ||
                compare(a.id, b.id),
        );
}
