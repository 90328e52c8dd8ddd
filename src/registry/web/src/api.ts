/* The registry's HTTP API, as doc/openapi.yaml has it. Everything that is asked of it goes through here. */

export type Role = "viewer" | "operator" | "admin";
export type Status = "WAITING" | "ESTABLISHED" | "FAILED" | "TERMINATED";

export interface Session {
    role: Role;
    trust_domain: string;
    version: string;
    /** HOST:PORT where sidecars join. */
    join_address?: string;
}

export interface Replica {
    id: string;
    live: boolean;
    address: string | null;
    version: string | null;
    last_seen: string;
    certificate_not_after: string | null;
}

export interface Inbound {
    name: string;
    port: number;
    connections: number;
}

export interface Outbound {
    name: string;
    required: boolean;
    port: number | null;
    connection: string | null;
}

export interface Instance {
    name: string;
    applied: boolean;
    removing: boolean;
    created_at: string;
    revision: number;
    replicas: Replica[];
    inbounds: Inbound[];
    outbounds: Outbound[];
}

/** What changes of a connection as it is used. */
export interface Traffic {
    id: string;
    streams: number;
    sent: number;
    received: number;
}

export interface Connection {
    id: string;
    source_instance: string;
    outbound: string;
    outbound_required: boolean;
    target_instance: string;
    inbound: string;
    port: number | null;
    status: Status;
    reason: string | null;
    detail: string | null;
    created_at: string;
    streams: number;
    sent: number;
    received: number;
    replicas: {
        replica: string;
        status: Status;
        reason: string | null;
        detail: string | null;
    }[];
}

/** What a connection goes from and to. */
export interface Ends {
    source_instance: string;
    outbound: string;
    target_instance: string;
    inbound: string;
}

export interface NewToken {
    id: string;
    token: string;
    instance: string;
    uses: number;
    uses_left: number;
    created_at: string;
    expires_at: string;
}

/** A refusal in the registry's own words (RFC 9457), or that it could not be asked at all (status 0). */
export class Problem extends Error {
    constructor(
        readonly status: number,
        readonly code: string,
        readonly detail: string,
        readonly next: string | null,
    ) {
        super(detail);
        this.name = "Problem";
    }
}

const PATIENCE_MS = 15_000;

let onUnauthenticated: () => void = () => {};

/** Says what happens when the registry does not know this browser (any more). */
export function whenUnauthenticated(action: () => void): void {
    onUnauthenticated = action;
}

function text(value: unknown): string | null {
    return typeof value === "string" && value !== "" ? value : null;
}

async function problemOf(response: Response): Promise<Problem> {
    let body: Record<string, unknown> = {};
    try {
        body = (await response.json()) as Record<string, unknown>;
    } catch {
        /* Something in between has answered: there is the status alone. */
    }
    const errors = Array.isArray(body["errors"]) ? body["errors"].map(String).join(" ") : "";
    return new Problem(
        response.status,
        text(body["code"]) ?? "unreadable",
        [text(body["detail"]) ?? `The registry answered ${response.status}.`, errors]
            .filter(Boolean)
            .join(" "),
        text(body["next"]),
    );
}

async function ask(method: string, path: string, body?: unknown): Promise<Response> {
    const init: RequestInit = {
        method,
        credentials: "same-origin",
        cache: "no-store",
        redirect: "error",
        signal: AbortSignal.timeout(PATIENCE_MS),
    };
    if (body !== undefined) {
        init.body = JSON.stringify(body);
        init.headers = { "Content-Type": "application/json" };
    }
    let response: Response;
    try {
        response = await fetch(path, init);
    } catch {
        throw new Problem(
            0,
            "no-answer",
            "The registry does not answer.",
            "Nothing is known to have changed. Try again.",
        );
    }
    if (!response.ok) {
        throw await problemOf(response);
    }
    return response;
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    try {
        const response = await ask(method, path, body);
        return (response.status === 204 ? undefined : await response.json()) as T;
    } catch (error) {
        if (error instanceof Problem && error.status === 401) {
            onUnauthenticated();
        }
        throw error;
    }
}

const part = encodeURIComponent;

/** The session of this browser; null if it has none. */
export async function session(): Promise<Session | null> {
    try {
        return (await (await ask("GET", "/v1/session")).json()) as Session;
    } catch (error) {
        if (error instanceof Problem && error.status === 401) {
            return null;
        }
        throw error;
    }
}

/** Signs in; the registry sets the cookie. Throws a Problem if it does not take it. */
export async function signIn(proof: { code: string } | { token: string }): Promise<void> {
    await ask("POST", "/v1/session", proof);
}

export async function signOut(): Promise<void> {
    await ask("DELETE", "/v1/session");
}

export async function listInstances(): Promise<Instance[]> {
    return (await call<{ instances: Instance[] }>("GET", "/v1/instances")).instances;
}

export async function listConnections(): Promise<Connection[]> {
    return (await call<{ connections: Connection[] }>("GET", "/v1/connections")).connections;
}

/** The connection as it was accepted: its state is on from there. */
export function connect(ends: Ends): Promise<Connection> {
    return call("POST", "/v1/connections", ends);
}

export function disconnect(id: string, confirmRequired: boolean): Promise<Connection> {
    return call(
        "DELETE",
        `/v1/connections/${part(id)}${confirmRequired ? "?confirm_required=true" : ""}`,
    );
}

export function removeInstance(
    name: string,
    force: boolean,
): Promise<{ name: string; connections: string[] }> {
    return call("DELETE", `/v1/instances/${part(name)}${force ? "?force=true" : ""}`);
}

export function createToken(instance: string, ttl: number, uses: number): Promise<NewToken> {
    return call("POST", "/v1/join-tokens", { instance, ttl, uses });
}

/** Whether the registry answers at all. */
export async function isHealthy(): Promise<boolean> {
    try {
        await ask("GET", "/healthz");
        return true;
    } catch {
        return false;
    }
}
