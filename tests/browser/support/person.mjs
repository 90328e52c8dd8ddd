// A person at a browser: a context of Chromium's own, with everything that must never happen noted.

import { load, SLOW } from "./environment.mjs";
import { eventually } from "./wait.mjs";

const axe = load("axe-core");

export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 360, height: 740 };

const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];

export class Person {
    /** @param origin the only place that this person's browser may ask */
    static async come(browser, origin, { viewport = DESKTOP, dark = false, ...options } = {}) {
        const context = await browser.newContext({
            viewport,
            colorScheme: dark ? "dark" : "light",
            // What moves is neither compared nor photographed.
            reducedMotion: "reduce",
            ...options,
        });
        const person = new Person(context, origin);
        await person._listen();
        person.page = await context.newPage();
        return person;
    }

    constructor(context, origin) {
        this.context = context;
        this.origin = origin;
        this.complaints = [];
        this.asked = [];
        context.setDefaultTimeout(15000 * SLOW);
        context.setDefaultNavigationTimeout(30000 * SLOW);
    }

    async _listen() {
        await this.context.addInitScript({ content: axe.source });
        await this.context.addInitScript(() => {
            document.addEventListener("securitypolicyviolation", (event) => {
                console.error(
                    `Content Security Policy: ${event.violatedDirective} ${event.blockedURI} ` +
                        `${event.sourceFile}:${event.lineNumber} ${event.sample}`,
                );
            });
        });
        const complain = (text) => this.complaints.push(text);
        this.context.on("weberror", (error) => complain(`page error: ${error.error().stack}`));
        this.context.on("dialog", (dialog) => {
            complain(`a dialog of the browser: ${dialog.message()}`);
            dialog.dismiss().catch(() => {});
        });
        this.context.on("console", (message) => {
            if (message.type() !== "error") return;
            // The browser's own words about an answer that is an error, or none; the page must cope.
            if (/^Failed to load resource|net::ERR_/.test(message.text())) return;
            complain(`console: ${message.text()}`);
        });
        this.context.on("request", (request) => {
            const url = new URL(request.url());
            this.asked.push(`${request.method()} ${url.pathname}${url.search}`);
            if (url.origin !== this.origin && !["data:", "blob:"].includes(url.protocol)) {
                complain(`asked somebody else: ${request.url()}`);
            }
            if (/[?&](code|token)=/.test(url.search)) complain(`a secret in ${request.url()}`);
        });
        this.context.on("page", (page) => {
            page.on("websocket", (socket) => complain(`a web socket: ${socket.url()}`));
            page.on("crash", () => complain("the page crashed"));
        });
    }

    /** Fails when anything happened that must never happen. */
    check() {
        if (this.complaints.length > 0) throw new Error(this.complaints.join("\n"));
    }

    close() {
        return this.context.close();
    }

    // Coming in

    /** By the address with the one-time code. */
    async enterByCode(registry) {
        await this.page.goto(registry.pageAddress());
        await this.isIn();
    }

    /** By pasting a token. */
    async enter(registry, role = "admin") {
        await this.page.goto(`${this.origin}/`);
        await this.id("sign-in-token").fill(registry.token(role));
        await this.id("sign-in-submit").click();
        await this.isIn();
    }

    async isIn() {
        await this.id("graph").waitFor();
        await this.isGone("sign-in");
        await this.isLive();
    }

    isLive() {
        return this.reads("status-live", /Live/);
    }

    // Looking

    id(name) {
        return this.page.getByTestId(name);
    }

    /** Until the text matches; gives it. */
    reads(name, pattern, options) {
        const locator = typeof name === "string" ? this.id(name) : name;
        return this.sees(
            `${typeof name === "string" ? name : locator} reads ${pattern}`,
            async () => {
                const text = await locator.first().innerText();
                if (!pattern.test(text)) throw new Error(text);
                return text;
            },
            options,
        );
    }

    sees(what, check, options) {
        return eventually(what, check, options);
    }

    async isGone(name) {
        const locator = typeof name === "string" ? this.id(name) : name;
        await this.sees(
            `${name} is gone`,
            async () => (await locator.count()) === 0 || !(await locator.first().isVisible()),
        );
    }

    /** How many nodes and edges are drawn. */
    async drawn() {
        const graph = this.id("graph");
        return {
            nodes: Number(await graph.getAttribute("data-nodes")),
            edges: Number(await graph.getAttribute("data-edges")),
        };
    }

    seesDrawn(nodes, edges, options) {
        return this.sees(
            `${nodes} nodes and ${edges} edges are drawn`,
            async () => {
                const drawn = await this.drawn();
                if (drawn.nodes !== nodes || drawn.edges !== edges) throw new Error(JSON.stringify(drawn));
                return true;
            },
            options,
        );
    }

    /** Where on the screen an instance or one of its interfaces is drawn, once it stands still. */
    at(what) {
        return this._steady(`${JSON.stringify(what)} is drawn`, "at", what);
    }

    edgeAt(id) {
        return this._steady(`connection ${id} is drawn`, "edgeAt", id);
    }

    async _steady(what, find, argument) {
        // What was told to the page is drawn in its next frame, and may move for a while.
        const look = async ([name, it]) => {
            for (let frame = 0; frame < 2; frame++) {
                await new Promise((resolve) => requestAnimationFrame(resolve));
            }
            await window.appnet.settled();
            return window.appnet[name](it);
        };
        let before;
        return this.sees(
            what,
            async () => {
                const now = await this.page.evaluate(look, [find, argument]);
                const same = before && now && Math.hypot(now.x - before.x, now.y - before.y) < 1;
                before = now;
                return same && now;
            },
            { pause: 150 },
        );
    }

    // Doing

    async openConnections() {
        await this.id("open-connections").click();
        await this.id("connections-dialog").waitFor();
    }

    row(id) {
        return this.page.locator(`[data-testid="connection-row"][data-id="${id}"]`);
    }

    rows() {
        return this.id("connection-row");
    }

    rowIsStatus(id, status, options) {
        return this.sees(
            `the row of ${id} is ${status}`,
            async () => {
                const now = await this.row(id).getAttribute("data-status", { timeout: 1000 });
                if (now !== status) throw new Error(now);
                return true;
            },
            options,
        );
    }

    async choose(source, outbound, target, inbound) {
        for (const [name, value] of [
            ["add-source", source],
            ["add-outbound", outbound],
            ["add-target", target],
            ["add-inbound", inbound],
        ]) {
            if (value !== undefined) await this.choice(name, value);
        }
    }

    /** Chooses an option that is there and may be chosen. */
    async choice(name, value) {
        await this.sees(`${value} can be chosen in ${name}`, async () => {
            const option = await this.option(name, value);
            if (!option || option.disabled) throw new Error(JSON.stringify(await this.options(name)));
            return true;
        });
        await this.id(name).selectOption(value);
    }

    options(name) {
        return this.id(name)
            .locator("option")
            .evaluateAll((options) =>
                options.map((option) => ({
                    value: option.value,
                    text: option.textContent.trim(),
                    disabled: option.disabled || (option.closest("optgroup")?.disabled ?? false),
                })),
            );
    }

    async option(name, value) {
        return (await this.options(name)).find((option) => option.value === value);
    }

    async drag(from, to) {
        await this.page.mouse.move(from.x, from.y);
        await this.page.mouse.down();
        for (let step = 1; step <= 12; step++) {
            await this.page.mouse.move(
                from.x + ((to.x - from.x) * step) / 12,
                from.y + ((to.y - from.y) * step) / 12,
            );
        }
        await this.page.mouse.up();
    }

    // Judging

    /** WCAG 2.1 A and AA, as far as a machine can tell. */
    async isAccessible(what) {
        const found = await this.page.evaluate(async (tags) => {
            const result = await window.axe.run(document, {
                runOnly: { type: "tag", values: tags },
                resultTypes: ["violations"],
            });
            return result.violations.map(
                (violation) =>
                    `${violation.id} (${violation.help}): ` +
                    violation.nodes
                        .slice(0, 4)
                        .map((node) => `${node.target.join(" ")} ${node.failureSummary ?? ""}`)
                        .join(" | "),
            );
        }, WCAG);
        if (found.length > 0) throw new Error(`${what} is not accessible:\n${found.join("\n")}`);
    }

    /** The contrast of what the pointer is on, for one of each kind that can be pressed. */
    async isLegibleUnderPointer(what) {
        const places = await this.page.evaluate(() => {
            const kinds = new Map();
            for (const element of document.querySelectorAll("button:enabled, a, tbody tr")) {
                const kind = `${element.tagName} ${element.className} ${element.getAttribute("aria-current")}`;
                const box = element.getBoundingClientRect();
                const at = { x: box.left + box.width / 2, y: box.top + box.height / 2 };
                if (!kinds.has(kind) && element.contains(document.elementFromPoint(at.x, at.y))) {
                    kinds.set(kind, at);
                }
            }
            return [...kinds.values()];
        });
        const found = [];
        for (const at of places) {
            await this.page.mouse.move(at.x, at.y);
            found.push(
                ...(await this.page.evaluate(async ({ x, y }) => {
                    const pointed = document.elementFromPoint(x, y).closest("button, a, tr");
                    if (!pointed) return [];
                    const result = await window.axe.run(pointed, {
                        runOnly: { type: "rule", values: ["color-contrast"] },
                        resultTypes: ["violations"],
                    });
                    return result.violations
                        .flatMap((violation) => violation.nodes)
                        .map((node) => `${node.target.join(" ")} ${node.failureSummary}`);
                }, at)),
            );
        }
        await this.page.mouse.move(0, 0);
        if (found.length > 0) throw new Error(`${what}, under the pointer:\n${found.join("\n")}`);
        return places.length;
    }

    /** Nothing has to be scrolled sideways, and nothing that can be used lies outside the window. */
    async fits(what) {
        const wrong = await this.page.evaluate(() => {
            const width = document.documentElement.clientWidth;
            const found = [];
            if (document.documentElement.scrollWidth > width) {
                found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
            }
            for (const element of document.querySelectorAll("button, input, select, a, [role=dialog]")) {
                const box = element.getBoundingClientRect();
                if (box.width === 0 || box.height === 0) continue;
                if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
                if (box.left >= -1 && box.right <= width + 1 && !isCut(element, box)) continue;
                found.push(`${element.outerHTML.slice(0, 120)} from ${box.left} to ${box.right}`);
            }
            return found;

            // Whether something in between shows less of it than there is, sideways. What is there for
            // screen readers alone is in a box of a pixel.
            function isCut(element, box) {
                for (let at = element.parentElement; at; at = at.parentElement) {
                    const { overflowX } = getComputedStyle(at);
                    const around = at.getBoundingClientRect();
                    if (around.width <= 1) return false;
                    if (
                        overflowX !== "visible" &&
                        (box.left < around.left - 1 || box.right > around.right + 1)
                    ) {
                        return true;
                    }
                }
                return false;
            }
        });
        if (wrong.length > 0)
            throw new Error(`${what} at ${this.page.viewportSize().width} px:\n${wrong.join("\n")}`);
    }
}
