// One child process, ended by its id whatever becomes of the test.

import { spawn } from "node:child_process";
import fs from "node:fs";

import { within } from "./wait.mjs";

const running = new Set();

// A test that runs out of time is ended by a signal; its children go with it.
process.once("exit", () => {
    for (const child of running) child.kill("SIGKILL");
});
for (const [name, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
]) {
    process.once(name, () => process.exit(128 + number));
}

export class Process {
    /** Its output is added to the file `log`. */
    constructor(name, command, log, { cwd } = {}) {
        this.name = name;
        this.log = log;
        this._command = command.map(String);
        this._cwd = cwd;
        this._child = undefined;
        this._ended = undefined;
    }

    start() {
        const out = fs.openSync(this.log, "a");
        const [file, ...rest] = this._command;
        const child = spawn(file, rest, { cwd: this._cwd, stdio: ["ignore", out, out] });
        fs.closeSync(out);
        this._child = child;
        running.add(child);
        this._ended = new Promise((resolve) => {
            child.once("error", (error) => {
                running.delete(child);
                fs.appendFileSync(this.log, `${error.message}\n`);
                resolve(-1);
            });
            child.once("exit", (code, signal) => {
                running.delete(child);
                resolve(signal ?? code);
            });
        });
        return this;
    }

    get isRunning() {
        return this._child !== undefined && running.has(this._child);
    }

    signal(name) {
        if (this.isRunning) this._child.kill(name);
    }

    /** Its exit status, or the signal that ended it. */
    wait(seconds = 20) {
        return within(seconds, `${this.name} has ended`, this._ended);
    }

    async kill() {
        if (!this.isRunning) return;
        this.signal("SIGKILL");
        await this.wait();
    }

    /** Asks it to end, and sees to it. */
    async close() {
        if (!this.isRunning) return;
        this.signal("SIGCONT");
        this.signal("SIGTERM");
        try {
            await this.wait(5);
        } catch {
            await this.kill();
        }
    }

    text() {
        return fs.existsSync(this.log) ? fs.readFileSync(this.log, "utf8") : "";
    }

    tail(lines = 15) {
        return this.text()
            .split("\n")
            .slice(-lines - 1)
            .join("\n");
    }
}
