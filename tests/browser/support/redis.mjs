// A real Redis, and clients that speak its protocol (RESP) over any port of 127.0.0.1.

import net from "node:net";
import path from "node:path";

import { Process } from "./process.mjs";
import { eventually, within } from "./wait.mjs";

export class Redis extends Process {
    constructor(folder, port) {
        const options = ["--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", folder];
        super("redis", ["redis-server", ...options], path.join(folder, "redis.log"));
        this.port = port;
    }

    async up() {
        this.start();
        await eventually(
            () => `Redis answers:\n${this.tail()}`,
            async () => (await ask(this.port, "PING")) === "PONG",
        );
        return this;
    }
}

/** A connection that stays open: a live stream when the port is an outbound's. */
export class Client {
    static async open(port) {
        const client = new Client(net.connect({ host: "127.0.0.1", port }));
        await within(10, `connected to port ${port}`, client._connected);
        return client;
    }

    constructor(socket) {
        this._socket = socket;
        this._text = "";
        this._waiting = [];
        this._error = undefined;
        this._connected = new Promise((resolve, reject) => {
            socket.once("connect", resolve);
            socket.once("error", reject);
            socket.once("close", () => reject(new Error("closed")));
        });
        this._connected.catch(() => {});
        this.closed = new Promise((resolve) => socket.once("close", resolve));
        socket.on("data", (data) => {
            this._text += data.toString("latin1");
            this._answer();
        });
        socket.on("error", (error) => this._fail(error));
        socket.on("close", () => this._fail(new Error("the connection was closed")));
    }

    /** The answer to one command: a string, a number or null. */
    ask(...words) {
        const parts = words.map((word) => `$${Buffer.byteLength(word, "latin1")}\r\n${word}\r\n`);
        const answer = new Promise((resolve, reject) => {
            if (this._error) reject(this._error);
            else this._waiting.push({ resolve, reject });
        });
        this._socket.write(`*${words.length}\r\n${parts.join("")}`, "latin1");
        return within(10, `Redis answers ${words[0]}`, answer);
    }

    close() {
        this._socket.destroy();
    }

    _answer() {
        for (;;) {
            const end = this._text.indexOf("\r\n");
            if (end < 0 || this._waiting.length === 0) return;
            const [kind, rest] = [this._text[0], this._text.slice(1, end)];
            let next = end + 2;
            let value = rest;
            if (kind === "$" && rest !== "-1") {
                const size = Number(rest);
                if (this._text.length < next + size + 2) return;
                value = this._text.slice(next, next + size);
                next += size + 2;
            }
            this._text = this._text.slice(next);
            const { resolve, reject } = this._waiting.shift();
            if (kind === "-") reject(new Error(rest));
            else if (kind === "$" && rest === "-1") resolve(null);
            else resolve(kind === ":" ? Number(rest) : value);
        }
    }

    _fail(error) {
        this._error ??= error;
        for (const { reject } of this._waiting.splice(0)) reject(this._error);
    }
}

/** One command on a connection of its own. */
export async function ask(port, ...words) {
    const client = await Client.open(port);
    try {
        return await client.ask(...words);
    } finally {
        client.close();
    }
}

/** A value goes there and comes back. */
export async function flows(port) {
    const value = `v${Math.random()}`;
    await ask(port, "SET", "browser-test", value);
    return (await ask(port, "GET", "browser-test")) === value;
}

/** Nobody answers there: refused, or cut before any answer. */
export async function isRefused(port) {
    try {
        await ask(port, "PING");
        return false;
    } catch (error) {
        return /ECONNREFUSED|ECONNRESET|EPIPE|closed/.test(error.code ?? error.message);
    }
}
