// Names, sentences and refusals that want to become code or to break the drawing. No registry lets such
// names in; the page must not depend on that.

import assert from "node:assert/strict";

import { scenario } from "./support/lab.mjs";
import { PHONE } from "./support/person.mjs";
import { connection, instance } from "./support/stage.mjs";

const EVIL = [
    `<img src=x onerror="window.hacked=1">`,
    `"><script>window.hacked=1</script>`,
    `'-window.hacked||(window.hacked=1)-'`,
    "javascript:window.hacked=1",
    "${window.hacked=1}",
    "{{constructor.constructor('window.hacked=1')()}}",
    `<svg/onload=window.hacked=1>`,
    `<iframe srcdoc="<script>parent.hacked=1</script>">`,
    "\u202Etxt.exe\u2066 \u0007\u0000 end",
    `http://evil.example/?${"x".repeat(4000)}`,
    "w".repeat(5000),
    "__proto__",
    "constructor",
    "hasownproperty",
    "#a[b]=.c, *:hover > d",
    "\uD800 half a character",
    "",
    "<b>last</b>",
];

function world() {
    const rows = EVIL.map((text) =>
        instance(text, { inbounds: { [`in ${text}`]: 80 }, outbounds: { [`out ${text}`]: true } }),
    );
    for (const [index, row] of rows.entries()) {
        row.replicas[0].address = EVIL[(index + 1) % EVIL.length];
        row.replicas[0].version = EVIL[(index + 2) % EVIL.length];
    }
    const states = ["FAILED", "ESTABLISHED", "WAITING", "TERMINATED"];
    const connections = EVIL.slice(1).map((text, index) =>
        connection(index, rows[index], `out ${EVIL[index]}`, rows[index + 1], `in ${text}`, {
            status: states[index % 4],
            reason: index % 4 === 0 ? text : null,
            detail: text,
        }),
    );
    return { instances: rows, connections };
}

const problem = (text) => ({
    status: 409,
    body: { type: text, title: text, status: 409, code: text, detail: `${text} .`, next: text, errors: EVIL },
});

async function isUnharmed(person) {
    const seen = await person.page.evaluate(() => ({
        hacked: window.hacked ?? null,
        polluted: {}.name ?? {}.status ?? null,
        elements: document.querySelectorAll(
            "img[src='x'], iframe, object, embed, svg[onload], script:not([src])",
        ).length,
        links: [...document.querySelectorAll("a[href], form[action]")]
            .map((element) => element.getAttribute("href") ?? element.getAttribute("action"))
            .filter((address) => /^\s*(javascript|data|https?):/i.test(address)),
        handlers: [...document.querySelectorAll("*")].filter((element) =>
            element.getAttributeNames().some((name) => name.startsWith("on")),
        ).length,
    }));
    assert.deepEqual(seen, { hacked: null, polluted: null, elements: 0, links: [], handlers: 0 });
    person.check();
}

for (const [device, viewport] of [
    ["a large screen", undefined],
    ["a phone", PHONE],
]) {
    scenario(
        `hostile names stay text, on ${device}`,
        async (lab) => {
            const stage = await lab.stage({
                ...world(),
                answer: ({ method }) =>
                    method === "POST" || method === "DELETE" ? problem(EVIL[0]) : undefined,
            });
            const person = await lab.person({ origin: stage.origin, viewport });
            await person.page.goto(stage.origin);
            await person.seesDrawn(EVIL.length, EVIL.length - 1, { seconds: 30 });
            await isUnharmed(person);

            await person.openConnections();
            assert.equal(await person.rows().count(), EVIL.length - 1);
            for (const text of EVIL.slice(0, 8)) {
                await person.reads("connections-dialog", new RegExp(escaped(text)));
            }
            await isUnharmed(person);
            await person.fits("the list of hostile connections");
            await person.id("connections-search").fill(EVIL[0]);
            await person.sees("the search finds it", async () => (await person.rows().count()) <= 2);
            await person.rows().first().getByTestId("disconnect").click();
            await person.reads("confirm-text", /<img/);
            await isUnharmed(person);
            await person.fits("the confirmation");
            if ((await person.id("confirm-check").count()) > 0) await person.id("confirm-check").check();
            await person.id("confirm-yes").click();
            await person.reads(person.page.locator("body"), /onerror="window\.hacked=1"> \./);
            await isUnharmed(person);
            for (let press = 0; press < 4; press++) await person.page.keyboard.press("Escape");
            await person.isGone("connections-dialog");

            // Every panel, and the refusal of a connection, come in the same words.
            for (const name of EVIL.slice(0, 10)) {
                const where = await person.page.evaluate((it) => window.appnet.at(it), { instance: name });
                assert.ok(where, `${name.slice(0, 40)} is drawn`);
            }
            await person.id("open-add").first().click();
            await person.choose(EVIL.at(-1), `out ${EVIL.at(-1)}`, EVIL[0], `in ${EVIL[0]}`);
            await isUnharmed(person);
            await person.fits("the dialog");
            await person.page.keyboard.press("Escape");

            // What comes in later, as events.
            const late = instance(`<b onmouseover="window.hacked=1">late</b>`, {
                outbounds: { [EVIL[0]]: true },
            });
            stage.world.instances.push(late);
            stage.say("instance", late);
            await person.seesDrawn(EVIL.length + 1, EVIL.length - 1);
            stage.say("connection", { ...stage.world.connections[0], detail: EVIL[1], reason: EVIL[3] });
            stage.say("nonsense", { [EVIL[0]]: EVIL });
            stage.say("instance-removed", { name: "__proto__" });
            // With the connection from it and the one to it.
            await person.seesDrawn(EVIL.length, EVIL.length - 3);
            await isUnharmed(person);
        },
        { seconds: 90 },
    );
}

scenario("refusals in hostile words stay text", async (lab) => {
    const source = instance("shop", { outbounds: { carts: true } });
    const target = instance("redis", { inbounds: { cache: 6379 } });
    const stage = await lab.stage({
        instances: [source, target],
        connections: [],
        answer: ({ method, path }) =>
            method === "POST" && path === "/v1/connections" ? problem(EVIL[1]) : undefined,
    });
    const person = await lab.person({ origin: stage.origin });
    await person.page.goto(stage.origin);
    await person.seesDrawn(2, 0);
    await person.id("open-add").first().click();
    await person.choose("shop", "carts", "redis", "cache");
    await person.id("add-submit").click();
    await person.reads("add-problem", /<script>window\.hacked=1<\/script>/);
    await isUnharmed(person);
    await person.fits("the dialog with a refusal");
    assert.deepEqual(stage.requests.find((asked) => asked.method === "POST").body, {
        source_instance: "shop",
        outbound: "carts",
        target_instance: "redis",
        inbound: "cache",
    });
});

scenario("answers that are no API's leave the page on its feet", async (lab) => {
    let broken = true;
    const stage = await lab.stage({
        instances: [instance("shop", { outbounds: { carts: true } })],
        connections: [],
        answer: ({ path }) =>
            broken && path.startsWith("/v1/instances")
                ? { status: 500, body: "<h1>nonsense</h1>" }
                : undefined,
    });
    const person = await lab.person({ origin: stage.origin });
    await person.page.goto(stage.origin);
    await person.reads(person.page.locator("body"), /offline|registry|answer/i);
    broken = false;
    await person.seesDrawn(1, 0, { seconds: 40 });
});

scenario("an instance may have the name of something of the language", async (lab) => {
    const registry = await lab.registry();
    await registry.apply("constructor", { inbounds: { "to-string": 80 }, outbounds: { prototype: true } });
    await registry.apply("valueof", { inbounds: { constructor: 81 }, outbounds: { then: false } });
    const person = await lab.person();
    await person.enter(registry);
    await person.seesDrawn(2, 0);
    await person.id("open-add").first().click();
    await person.choose("constructor", "prototype", "valueof", "constructor");
    await person.id("add-submit").click();
    await person.seesDrawn(2, 1);
    const [row] = await registry.connections();
    assert.equal(row.source_instance, "constructor");
});

function escaped(text) {
    return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
