// The page's own files, with all their headers, from a real registry, over an API that answers what the
// test wants: names that no registry lets in, and more instances than one would start for a test.

import http from "node:http";

const PAGE = /^\/($|assets\/|favicon)/;

export class Stage {
    /**
     * @param world {instances, connections, answer?}: `answer(request)` gives {status, body} for a request,
     * or undefined for the usual one.
     */
    static async open(registry, world) {
        const stage = new Stage(registry, world);
        await new Promise((resolve, reject) => {
            stage._server.once("error", reject);
            stage._server.listen(0, "127.0.0.1", resolve);
        });
        stage.origin = `http://127.0.0.1:${stage._server.address().port}`;
        return stage;
    }

    constructor(registry, world) {
        this.world = { role: "admin", answer: () => undefined, ...world };
        this.requests = [];
        this._registry = registry;
        this._revision = 1;
        this._listeners = new Set();
        this._server = http.createServer((request, response) => {
            this._serve(request, response).catch((error) => {
                response.destroy(error);
            });
        });
    }

    /** One event to every page that listens. */
    say(event, data) {
        this._revision += 1;
        for (const listener of this._listeners) this._event(listener, event, data);
    }

    close() {
        this._server.closeAllConnections();
        return new Promise((resolve) => this._server.close(() => resolve()));
    }

    async _serve(request, response) {
        const { pathname } = new URL(request.url, this.origin);
        if (request.method === "GET" && PAGE.test(pathname)) return this._page(request, response);
        let text = "";
        for await (const piece of request) text += piece;
        const asked = {
            method: request.method,
            path: request.url,
            body: text ? JSON.parse(text) : undefined,
        };
        this.requests.push(asked);
        const { status, body } = this.world.answer(asked) ?? this._usual(request.method, pathname);
        if (body === this._listeners) return this._listen(response);
        response.writeHead(status, {
            "Content-Type": status < 400 ? "application/json" : "application/problem+json",
            "Cache-Control": "no-store",
        });
        response.end(body === undefined ? "" : JSON.stringify(body));
        return undefined;
    }

    async _page(request, response) {
        const answer = await fetch(this._registry.origin + request.url, {
            headers: { "Accept-Encoding": "identity" },
        });
        const headers = Object.fromEntries(answer.headers);
        for (const name of ["connection", "content-encoding", "content-length", "keep-alive"]) {
            delete headers[name];
        }
        response.writeHead(answer.status, headers);
        response.end(Buffer.from(await answer.arrayBuffer()));
    }

    _usual(method, pathname) {
        const { instances, connections, role } = this.world;
        const revision = this._revision;
        if (method === "GET") {
            switch (pathname) {
                case "/healthz": // which the page asks when no event has come for a while
                    return { status: 200, body: {} };
                case "/v1/session":
                    return { status: 200, body: { role, trust_domain: "stage.test", version: "0" } };
                case "/v1/instances":
                    return { status: 200, body: { instances, revision } };
                case "/v1/connections":
                    return { status: 200, body: { connections, revision } };
                case "/v1/join-tokens":
                    return { status: 200, body: { tokens: [], revision } };
                case "/v1/interfaces/inbound/available":
                    return { status: 200, body: { inbounds: available(instances, "inbounds"), revision } };
                case "/v1/interfaces/outbound/available":
                    return { status: 200, body: { outbounds: available(instances, "outbounds"), revision } };
                case "/v1/events":
                    return { status: 200, body: this._listeners };
                default:
            }
        }
        return {
            status: 404,
            body: {
                type: "about:blank",
                title: "Not Found",
                status: 404,
                code: "not-found",
                detail: "Nothing is there.",
            },
        };
    }

    _listen(response) {
        response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
        this._listeners.add(response);
        response.on("close", () => this._listeners.delete(response));
        this._event(response, "reset", { revision: this._revision });
    }

    _event(response, event, data) {
        response.write(`id: ${this._revision}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    }
}

function available(instances, kind) {
    return instances.flatMap((instance) =>
        instance[kind]
            .filter((row) => kind === "inbounds" || row.connection === null)
            .map((row) => ({ instance: instance.name, ...row })),
    );
}

// Rows as the API has them

export function instance(name, { inbounds = {}, outbounds = {}, replicas = 1, ...more } = {}) {
    return {
        name,
        applied: false,
        removing: false,
        created_at: "2026-01-01T00:00:00.000Z",
        revision: 1,
        replicas: Array.from({ length: replicas }, (_, index) => ({
            id: `replica${String(index).padStart(9, "0")}`,
            live: true,
            address: "127.0.0.1:15008",
            version: "0",
            last_seen: new Date().toISOString(),
            certificate_not_after: new Date(Date.now() + 86400e3).toISOString(),
        })),
        inbound_net_interfaces: Object.keys(inbounds).map((inbound) => ({ name: inbound })),
        outbound_net_interfaces: Object.entries(outbounds).map(([outbound, required]) => ({
            name: outbound,
            required,
        })),
        rules: Object.entries(inbounds).map(([inbound, port]) => ({
            name: `${inbound}-rule`,
            target_port: port,
            access: "INBOUND_APPNET",
            inbound_net_interface: inbound,
        })),
        inbounds: Object.entries(inbounds).map(([inbound, port]) => ({
            name: inbound,
            port,
            connections: 0,
        })),
        outbounds: Object.entries(outbounds).map(([outbound, required]) => ({
            name: outbound,
            required,
            port: null,
            connection: null,
        })),
        ...more,
    };
}

/** A connection between two such instances, noted in both. */
export function connection(number, source, outbound, target, inbound, more = {}) {
    const id = `c-${String(number).padStart(12, "0")}`;
    const from = source.outbounds.find((row) => row.name === outbound);
    const to = target.inbounds.find((row) => row.name === inbound);
    from.connection = id;
    from.port = to.port;
    to.connections += 1;
    return {
        id,
        source_instance: source.name,
        outbound,
        outbound_required: from.required,
        target_instance: target.name,
        inbound,
        port: to.port,
        status: "ESTABLISHED",
        reason: null,
        detail: null,
        created_at: new Date(Date.now() - 60000 - number * 1000).toISOString(),
        streams: 0,
        sent: 0,
        received: 0,
        replicas: [],
        ...more,
    };
}
