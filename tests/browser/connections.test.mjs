// Plugging applications together by hand: real sidecars, and traffic to a real Redis.

import assert from "node:assert/strict";

import { scenario } from "./support/lab.mjs";
import { flows, isRefused } from "./support/redis.mjs";
import { eventually } from "./support/wait.mjs";

scenario("where there is nothing yet, the page says how to begin", async (lab) => {
    const registry = await lab.registry();
    const person = await lab.person();
    await person.enterByCode(registry);
    await person.seesDrawn(0, 0);
    await person.reads(person.page.locator("body"), /sidecar/i);
    await person.openConnections();
    await person.reads("connections-dialog", /no connections|nothing is connected/i);
    assert.equal(await person.rows().count(), 0);
});

scenario("a connection is added step by step, and traffic flows", async (lab) => {
    const { registry, sidecars } = await lab.mesh();
    assert.ok(await isRefused(lab.port("shop", "carts")), "nothing flows before");
    const person = await lab.person();
    await person.enterByCode(registry);
    await person.seesDrawn(3, 0);
    await person.id("open-add").first().click();
    await person.id("add-dialog").waitFor();
    assert.equal(await person.id("add-submit").isEnabled(), false, "nothing is chosen yet");

    // Each choice narrows the next, and what cannot be chosen says why.
    await person.sees("the sources", async () => (await person.options("add-source")).length >= 2);
    const redis = await person.option("add-source", "redis");
    assert.ok(redis === undefined || (redis.disabled && redis.text.length > "redis".length), "no outbounds");
    await person.choice("add-source", "shop");
    await person.choice("add-outbound", "carts");
    assert.equal(await person.option("add-outbound", "drafts"), undefined, "that is the blog's");
    const itself = await person.option("add-target", "shop");
    assert.ok(itself.disabled && /itself|same|no inbound/i.test(itself.text), JSON.stringify(itself));
    await person.choice("add-target", "redis");
    await person.choice("add-inbound", "cache");

    // The source's sidecar does not get to it for a moment, so that WAITING can be seen.
    sidecars.shop.signal("SIGSTOP");
    await person.id("add-submit").click();
    await person.isGone("add-dialog");
    const [row] = await registry.connections();
    if (!(await person.id("connections-dialog").isVisible())) await person.openConnections();
    await person.rowIsStatus(row.id, "WAITING");
    await person.reads(person.row(row.id), /WAITING/i);
    sidecars.shop.signal("SIGCONT");
    await person.rowIsStatus(row.id, "ESTABLISHED", { seconds: 30 });
    await person.reads(person.row(row.id), /shop[\s\S]*carts[\s\S]*redis[\s\S]*cache/);
    await person.seesDrawn(3, 1);
    await eventually("Redis answers", () => flows(lab.port("shop", "carts")));
});

scenario("what the rules forbid cannot be chosen, and says why", async (lab) => {
    const { registry } = await lab.mesh();
    await registry.apply("api", { inbounds: { http: 8080 }, outbounds: { store: true } });
    await lab.plug("shop", "carts");
    const person = await lab.person();
    await person.enter(registry, "operator");
    await person.id("open-add").first().click();
    await person.id("add-dialog").waitFor();

    const shop = await person.sees("shop among the sources", () => person.option("add-source", "shop"));
    if (!shop.disabled) {
        await person.choice("add-source", "shop");
        const carts = await person.option("add-outbound", "carts");
        assert.ok(carts.disabled && /connected|redis/i.test(carts.text), JSON.stringify(carts));
    } else {
        assert.match(shop.text, /connected|free/i);
    }
    await person.choice("add-source", "api");
    await person.choice("add-outbound", "store");
    const api = await person.option("add-target", "api");
    assert.ok(api.disabled && /itself|same/i.test(api.text), JSON.stringify(api));
    const blog = await person.option("add-target", "blog");
    assert.ok(blog.disabled && /inbound/i.test(blog.text), JSON.stringify(blog));
    await person.choice("add-target", "redis");
    await person.choice("add-inbound", "cache");
    assert.equal(await person.id("add-submit").isEnabled(), true);

    // Somebody else is faster. What was chosen is gone then; nothing else takes its place by itself.
    await registry.connect("api", "store", "redis", "cache");
    await person.sees("it cannot be sent any more", async () => !(await person.id("add-submit").isEnabled()));
    assert.notEqual(await person.id("add-source").inputValue(), "blog", "nobody has chosen that");
    await person.reads("add-dialog", /connected|taken/i);
    assert.equal((await registry.connections()).length, 2);

    // The other one is still to be had.
    await person.choose("blog", "drafts", "redis", "cache");
    await person.id("add-submit").click();
    await registry.waitStatus("blog", "drafts", "ESTABLISHED");
});

scenario("a wire is pulled from an outbound to an inbound", async (lab) => {
    const { registry } = await lab.mesh();
    const person = await lab.person();
    await person.enter(registry, "operator");
    await person.seesDrawn(3, 0);

    // To a port that is not an inbound: nothing opens, nothing is made.
    await person.drag(
        await person.at({ instance: "shop", outbound: "carts" }),
        await person.at({ instance: "blog", outbound: "drafts" }),
    );
    assert.equal(await person.id("add-dialog").isVisible(), false);

    await person.drag(
        await person.at({ instance: "blog", outbound: "drafts" }),
        await person.at({ instance: "redis", inbound: "cache" }),
    );
    await person.id("add-dialog").waitFor();
    for (const [name, value] of [
        ["add-source", "blog"],
        ["add-outbound", "drafts"],
        ["add-target", "redis"],
        ["add-inbound", "cache"],
    ]) {
        assert.equal(await person.id(name).inputValue(), value);
    }
    assert.equal((await registry.connections()).length, 0, "not before the button is pressed");
    await person.id("add-submit").click();
    await registry.waitStatus("blog", "drafts", "ESTABLISHED");
    await person.seesDrawn(3, 1);
    await eventually("Redis answers", () => flows(lab.port("blog", "drafts")));
});

scenario("connections are listed, filtered, searched and sorted", async (lab) => {
    const { registry } = await lab.mesh();
    await registry.apply("api", { inbounds: { http: 8080 }, outbounds: { store: true } });
    await registry.apply("web", { outbounds: { backend: false } });
    const ids = {
        shop: await lab.plug("shop", "carts"),
        blog: await lab.plug("blog", "drafts"),
        web: (await registry.connect("web", "backend", "api", "http")).id,
        api: (await registry.connect("api", "store", "redis", "cache")).id,
    };
    const person = await lab.person();
    await person.enter(registry, "operator");
    await person.openConnections();
    const listed = async () =>
        person
            .rows()
            .evaluateAll((rows) => rows.filter((row) => row.checkVisibility()).map((row) => row.dataset.id));
    const lists = (what, expected) =>
        person.sees(what, async () => {
            const now = await listed();
            if (JSON.stringify(now) !== JSON.stringify(expected))
                throw new Error(JSON.stringify({ now, expected }));
            return true;
        });
    const listsSet = (what, expected) =>
        person.sees(what, async () => {
            const now = await listed();
            return JSON.stringify(now.sort()) === JSON.stringify([...expected].sort());
        });
    await listsSet("all four", Object.values(ids));
    const text = await person.reads(person.row(ids.shop), /shop/);
    assert.match(text, /carts\s*\*/, "a required outbound is marked");
    assert.match(text, new RegExp(`${lab.port("redis", "cache") ?? ""}`));
    assert.doesNotMatch(await person.row(ids.blog).innerText(), /drafts\s*\*/);

    await person.id("filter-application").selectOption("api");
    await listsSet("those of api, in and out", [ids.api, ids.web]);
    await person.id("filter-application").selectOption("");
    await person.id("connections-search").fill("drafts");
    await listsSet("what the search finds", [ids.blog]);
    await person.id("connections-search").fill("no such thing");
    await lists("nothing", []);
    await person.reads("connections-dialog", /no connection|nothing/i);
    await person.id("connections-search").fill("");
    await listsSet("all four again", Object.values(ids));

    await sorts("source", [ids.api, ids.blog, ids.shop, ids.web]);
    await sorts("outbound", [ids.web, ids.shop, ids.blog, ids.api]);

    async function sorts(column, order) {
        await person.id(`sort-${column}`).click();
        const now = await person.sees("an order", async () => {
            const rows = await listed();
            const ordered = JSON.stringify(rows);
            return [JSON.stringify(order), JSON.stringify([...order].reverse())].includes(ordered) && rows;
        });
        await person.id(`sort-${column}`).click();
        await lists(`${column} the other way round`, [...now].reverse());
        const header = await person.page.locator("[aria-sort=ascending], [aria-sort=descending]").count();
        assert.equal(header, 1, "the sorted column is told to those who do not see it");
    }
});

scenario("everything about connections can be done by the keyboard alone", async (lab) => {
    const { registry } = await lab.mesh();
    const id = await lab.plug("blog", "drafts");
    const person = await lab.person();
    await person.enter(registry, "operator");
    await person.seesDrawn(3, 1);
    const { keyboard } = person.page;
    const focused = () =>
        person.page.evaluate(() => document.activeElement?.getAttribute("data-testid") ?? null);
    const tabTo = async (name) => {
        for (let step = 0; step < 120; step++) {
            if ((await focused()) === name) return;
            await keyboard.press("Tab");
        }
        throw new Error(`${name} cannot be reached by Tab`);
    };

    await tabTo("open-connections");
    await keyboard.press("Enter");
    await person.id("connections-dialog").waitFor();
    await keyboard.press("Escape");
    await person.isGone("connections-dialog");
    await person.sees("the focus is back", async () => (await focused()) === "open-connections");

    await keyboard.press("Enter");
    await person.row(id).waitFor();
    await tabTo("disconnect");
    await keyboard.press("Enter");
    await person.id("confirm-dialog").waitFor();
    assert.notEqual(await focused(), "confirm-yes", "one Enter too many does not disconnect");
    await keyboard.press("Escape");
    await person.isGone("confirm-dialog");
    assert.equal((await registry.connections()).length, 1);
    await tabTo("disconnect");
    await keyboard.press("Enter");
    await person.id("confirm-dialog").waitFor();
    await tabTo("confirm-yes");
    await keyboard.press("Enter");
    await eventually("it is gone", async () => (await registry.connections()).length === 0);
    await person.sees("its row is gone", async () => (await person.row(id).count()) === 0);

    // The focus is somewhere useful still, and Tab never leaves a modal dialog.
    for (let step = 0; step < 25; step++) {
        await keyboard.press("Tab");
        const where = await person.page.evaluate(() => {
            const at = document.activeElement;
            return at === document.body || at.closest("[role=dialog], dialog") !== null;
        });
        assert.ok(where, "Tab stays in the dialog");
    }
    await keyboard.press("Escape");
    await person.isGone("connections-dialog");

    await tabTo("open-add");
    await keyboard.press("Enter");
    await person.id("add-dialog").waitFor();
    for (const [name, value] of [
        ["add-source", "blog"],
        ["add-outbound", "drafts"],
        ["add-target", "redis"],
        ["add-inbound", "cache"],
    ]) {
        await tabTo(name);
        await keyboard.type(value);
        assert.equal(await person.id(name).inputValue(), value);
    }
    await tabTo("add-submit");
    await keyboard.press("Enter");
    await registry.waitStatus("blog", "drafts", "ESTABLISHED");
});

scenario("disconnecting names both ends, counts live streams, and cuts them", async (lab) => {
    const { registry } = await lab.mesh();
    const id = await lab.plug("blog", "drafts");
    const clients = [await lab.client("blog", "drafts"), await lab.client("blog", "drafts")];
    for (const client of clients) assert.equal(await client.ask("PING"), "PONG");
    const person = await lab.person();
    await person.enter(registry, "operator");
    await person.openConnections();
    await person.rowIsStatus(id, "ESTABLISHED");

    await person.row(id).getByTestId("disconnect").click();
    await person.id("confirm-dialog").waitFor();
    const text = await person.reads("confirm-text", /\b2\b|\btwo\b/i, { seconds: 20 });
    for (const word of ["blog", "drafts", "redis", "cache"]) {
        assert.match(await person.id("confirm-dialog").innerText(), new RegExp(word));
    }
    assert.match(text, /stream|connection/i);
    await person.id("confirm-no").click();
    await person.isGone("confirm-dialog");
    assert.equal(await clients[0].ask("PING"), "PONG", "nothing has happened");

    await person.row(id).getByTestId("disconnect").click();
    await person.id("confirm-yes").click();
    await Promise.all(clients.map((client) => eventually("the stream is cut", () => closed(client))));
    await person.sees("its row is gone", async () => (await person.row(id).count()) === 0);
    await eventually("traffic is refused", () => isRefused(lab.port("blog", "drafts")));
    await person.seesDrawn(3, 0);
    assert.deepEqual(await registry.connections(), []);

    function closed(client) {
        return client.ask("PING").then(
            () => false,
            () => true,
        );
    }
});

scenario("a required outbound takes a stronger confirmation", async (lab) => {
    const { registry } = await lab.mesh();
    const ids = { shop: await lab.plug("shop", "carts"), blog: await lab.plug("blog", "drafts") };
    const person = await lab.person();
    await person.enter(registry, "operator");
    await person.openConnections();

    const ask = async (id) => {
        await person.row(id).getByTestId("disconnect").click();
        await person.id("confirm-dialog").waitFor();
        return person.reads("confirm-text", /redis/);
    };
    const easy = await ask(ids.blog);
    assert.doesNotMatch(easy, /require/i);
    await person.id("confirm-no").click();
    await person.isGone("confirm-dialog");

    const strong = await ask(ids.shop);
    assert.match(strong, /require/i);
    assert.match(strong, /stop|without|not work|fail/i, "says what will stop working");
    assert.ok(await flows(lab.port("shop", "carts")), "not before it is confirmed");
    if ((await person.id("confirm-check").count()) > 0) {
        assert.equal(await person.id("confirm-yes").isEnabled(), false);
        await person.id("confirm-check").check();
    }
    await person.id("confirm-yes").click();
    await person.sees("its row is gone", async () => (await person.row(ids.shop).count()) === 0);
    await eventually("traffic is refused", () => isRefused(lab.port("shop", "carts")));
    assert.ok(await flows(lab.port("blog", "drafts")), "the other one goes on");
});
