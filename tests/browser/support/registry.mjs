// A real registry: its process, and the API as a script uses it.

import fs from "node:fs";
import path from "node:path";

import { program } from "./environment.mjs";
import { takePort } from "./ports.mjs";
import { Process } from "./process.mjs";
import { eventually } from "./wait.mjs";

const TRUST_DOMAIN = "shop.example";

export class Registry extends Process {
    static async make(folder, options = {}) {
        const [httpPort, tlsPort] = [await takePort(), await takePort()];
        const data = path.join(folder, "registry");
        const file = path.join(folder, "registry.conf");
        fs.writeFileSync(
            file,
            `trust_domain = "${TRUST_DOMAIN}";
data_dir     = "${data}";
tls_listen   = "127.0.0.1:${tlsPort}";
http_listen  = "127.0.0.1:${httpPort}";
${options.more ?? ""}
`,
        );
        return new Registry(folder, file, data, httpPort, tlsPort);
    }

    constructor(folder, file, data, httpPort, tlsPort) {
        const log = path.join(folder, "registry.log");
        super("registry", [program("appnet-registry"), "-c", file], log, { cwd: folder });
        this.trustDomain = TRUST_DOMAIN;
        this.data = data;
        this.httpPort = httpPort;
        this.tlsPort = tlsPort;
        this.origin = `http://127.0.0.1:${httpPort}`;
        this.joinAddress = `127.0.0.1:${tlsPort}`;
    }

    /** Starts it, for the first time or again; gives it when it answers. */
    async up() {
        const since = this.text().length;
        this.start();
        await eventually(
            () => `the registry answers:\n${this.tail()}`,
            async () => {
                if (!this.isRunning) throw new Error("it has ended");
                return this.text().includes("registry started", since) && (await this._answers());
            },
            { seconds: 20 },
        );
        return this;
    }

    async _answers() {
        return (await fetch(`${this.origin}/readyz`)).ok;
    }

    /** The address with a one-time code, as printed at the latest start. */
    pageAddress() {
        const found = [...this.text().matchAll(/https?:\/\/[^\s"]+#code=[A-Za-z0-9_.~-]+/g)];
        if (found.length === 0) throw new Error(`no page address in:\n${this.tail()}`);
        return found.at(-1)[0];
    }

    token(role = "admin") {
        return fs.readFileSync(path.join(this.data, `${role}.token`), "ascii").trim();
    }

    /** One request as a script makes it: {status, body}. */
    async call(method, where, body, { role = "admin", headers = {} } = {}) {
        const answer = await fetch(this.origin + where, {
            method,
            headers: {
                ...(role ? { Authorization: `Bearer ${this.token(role)}` } : {}),
                ...(body === undefined ? {} : { "Content-Type": "application/json" }),
                ...headers,
            },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const text = await answer.text();
        return { status: answer.status, headers: answer.headers, body: text ? parse(text) : undefined };
    }

    async good(method, where, body, options) {
        const answer = await this.call(method, where, body, options);
        if (answer.status >= 300) {
            throw new Error(`${method} ${where}: ${answer.status} ${JSON.stringify(answer.body)}`);
        }
        return answer.body;
    }

    /** An instance by descriptor: inbounds {name: port}, outbounds {name: required}. */
    apply(name, { inbounds = {}, outbounds = {} } = {}) {
        return this.good("PUT", `/v1/instances/${name}`, {
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
        });
    }

    connect(source, outbound, target, inbound) {
        return this.good("POST", "/v1/connections", {
            source_instance: source,
            outbound,
            target_instance: target,
            inbound,
        });
    }

    async connections() {
        return (await this.good("GET", "/v1/connections")).connections;
    }

    async instances() {
        return (await this.good("GET", "/v1/instances")).instances;
    }

    async joinToken(instance) {
        return (await this.good("POST", "/v1/join-tokens", { instance })).token;
    }

    /** Until the connection of this outbound has the status; gives it. */
    waitStatus(source, outbound, status, { seconds = 30 } = {}) {
        let seen;
        return eventually(
            () => `${source}/${outbound} is ${status}, it is ${JSON.stringify(seen)}`,
            async () => {
                seen = (await this.connections()).find(
                    (row) => row.source_instance === source && row.outbound === outbound,
                );
                return seen?.status === status && seen;
            },
            { seconds },
        );
    }

    /** Until sidecars of these instances have told what they have. */
    waitDeclared(...names) {
        return eventually(
            `${names.join(", ")} have joined`,
            async () => {
                const known = new Map((await this.instances()).map((row) => [row.name, row]));
                return names.every((name) => {
                    const row = known.get(name);
                    return (
                        row?.replicas.some((replica) => replica.live) &&
                        row.inbounds.length + row.outbounds.length > 0
                    );
                });
            },
            { seconds: 30 },
        );
    }
}

function parse(text) {
    try {
        return JSON.parse(text);
    } catch {
        return text;
    }
}
