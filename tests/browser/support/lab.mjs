// What a test builds on, and the end of it: processes, people, their folder. `scenario` is a test that
// has one.

import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import test, { after } from "node:test";

import { browserFile, FAILURES_DIR, load, SLOW } from "./environment.mjs";
import { Person } from "./person.mjs";
import { takePort } from "./ports.mjs";
import { Process } from "./process.mjs";
import { Client, Redis } from "./redis.mjs";
import { Registry } from "./registry.mjs";
import { configuration, Sidecar } from "./sidecar.mjs";
import { Stage } from "./stage.mjs";
import { eventually, within } from "./wait.mjs";

const { chromium } = load("playwright-core");

let started;

/** One browser a file; each person has a context of their own in it. */
function browser() {
    started ??= chromium.launch({
        executablePath: browserFile(),
        // Chromium's sandbox does not work for root.
        chromiumSandbox: process.getuid() !== 0,
        args: [
            ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
            // Whatever a page might ask for, nothing leaves the machine.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--disable-dev-shm-usage",
        ],
    });
    return started;
}

after(async () => {
    if (started) await (await started).close();
});

export class Lab {
    constructor() {
        this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "appnet-browser."));
        this.people = [];
        this.ports = {};
        this._open = [];
    }

    keep(thing) {
        this._open.push(thing);
        return thing;
    }

    async registry(options) {
        this.theRegistry = this.keep(await Registry.make(this.folder, options));
        return this.theRegistry.up();
    }

    async redis() {
        const server = this.keep(new Redis(this.folder, await takePort()));
        return server.up();
    }

    /** A sidecar that joins the registry by a token; outbounds {name: required}. */
    async sidecar(instance, { inbounds = {}, outbounds = {} } = {}) {
        const tokenFile = path.join(this.folder, `${instance}.token`);
        const token = await this.theRegistry.joinToken(instance);
        fs.writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
        const listening = {};
        for (const [name, required] of Object.entries(outbounds)) {
            this.ports[`${instance}/${name}`] ??= await takePort();
            listening[name] = { listen: this.ports[`${instance}/${name}`], required };
        }
        const text = configuration({
            registry: this.theRegistry,
            folder: this.folder,
            instance,
            tokenFile,
            tunnelPort: await takePort(),
            inbounds,
            outbounds: listening,
        });
        return this.sidecarOf(instance, text);
    }

    sidecarOf(name, text) {
        return this.keep(new Sidecar(this.folder, name, text)).up();
    }

    /**
     * A registry; Redis with the inbound "cache"; shop, which requires its outbound "carts"; blog, which
     * can do without its outbound "drafts". Nothing is connected. `more` has other outbounds of the two.
     */
    async mesh(more = {}) {
        const registry = await this.registry();
        const redis = await this.redis();
        const sidecars = {};
        [sidecars.redis, sidecars.shop, sidecars.blog] = await Promise.all([
            this.sidecar("redis", { inbounds: { cache: redis.port } }),
            this.sidecar("shop", { outbounds: more.shop ?? { carts: true } }),
            this.sidecar("blog", { outbounds: more.blog ?? { drafts: false } }),
        ]);
        await registry.waitDeclared("redis", "shop", "blog");
        return { registry, redis, sidecars };
    }

    /** A working connection; its id. */
    async plug(source, outbound, target = "redis", inbound = "cache") {
        const row = await this.theRegistry.connect(source, outbound, target, inbound);
        await this.theRegistry.waitStatus(source, outbound, "ESTABLISHED");
        return row.id;
    }

    /** The port at which the application finds an outbound. */
    port(source, outbound) {
        return this.ports[`${source}/${outbound}`];
    }

    /** An application's connection through an outbound, which stays open. */
    async client(source, outbound) {
        const client = await Client.open(this.port(source, outbound));
        this.keep(client);
        return client;
    }

    /** An application that takes connections and says nothing; its port. */
    async server() {
        const server = net.createServer((socket) => socket.on("error", () => {}).resume());
        await new Promise((resolve, reject) => {
            server.once("error", reject);
            server.listen(0, "127.0.0.1", resolve);
        });
        this.keep({ close: () => server.close() });
        return server.address().port;
    }

    /** Traffic through an outbound, about 2 MB/s, until what it gives is called. */
    async pump(source, outbound) {
        const client = await this.client(source, outbound);
        const value = "x".repeat(100000);
        let ended = false;
        const stop = () => {
            ended = true;
            client.close();
        };
        this.keep({ close: stop });
        const turn = () => {
            if (ended) return;
            client.ask("SET", "value", value).then(
                () => setTimeout(turn, 40),
                () => {},
            );
        };
        turn();
        return stop;
    }

    /** The page as the registry serves it, over an API that answers as the test says. */
    async stage(world) {
        if (!this.theRegistry) await this.registry();
        return this.keep(await Stage.open(this.theRegistry, world));
    }

    async person(options = {}) {
        const origin = options.origin ?? this.theRegistry.origin;
        const person = await Person.come(await browser(), origin, options);
        this.people.push(person);
        return person;
    }

    checkPeople() {
        for (const person of this.people) person.check();
    }

    /** What helps to understand a failure. */
    async explain(name) {
        fs.mkdirSync(FAILURES_DIR, { recursive: true });
        const base = path.join(FAILURES_DIR, name.replace(/[^A-Za-z0-9]+/g, "-").slice(0, 80));
        let text = "";
        for (const [index, person] of this.people.entries()) {
            for (const [number, page] of person.context.pages().entries()) {
                const file = `${base}-${index + 1}.${number + 1}.png`;
                try {
                    await page.screenshot({ path: file, timeout: 5000 });
                    text += `screenshot: ${file}\n`;
                } catch (error) {
                    text += `no screenshot: ${error.message.split("\n")[0]}\n`;
                }
            }
            text += person.complaints.map((complaint) => `${complaint}\n`).join("");
        }
        for (const thing of this._open) {
            if (thing instanceof Process) text += `--- ${thing.name}:\n${thing.tail()}`;
        }
        return text;
    }

    async close() {
        const errors = [];
        for (const thing of [...this.people, ...this._open.reverse()]) {
            try {
                await within(20, "closed", thing.close());
            } catch (error) {
                errors.push(error);
            }
        }
        await eventually("the folder is removed", () => {
            fs.rmSync(this.folder, { recursive: true, force: true });
            return true;
        });
        if (errors.length > 0) throw errors[0];
    }
}

/** A test with a lab of its own, which is gone afterwards in any case. */
export function scenario(name, body, { seconds = 60 } = {}) {
    test(name, { timeout: (seconds + 90) * 1000 * SLOW }, async (t) => {
        const lab = new Lab();
        try {
            await within(seconds, `the whole of "${name}"`, Promise.resolve(body(lab, t)));
            lab.checkPeople();
        } catch (error) {
            error.stack = `${error.stack}\n${await lab.explain(name)}`;
            throw error;
        } finally {
            await lab.close();
        }
    });
}
