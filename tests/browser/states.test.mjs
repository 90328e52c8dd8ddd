// What happens elsewhere shows at once, and as it is.

import assert from "node:assert/strict";

import { scenario } from "./support/lab.mjs";
import { flows } from "./support/redis.mjs";
import { eventually } from "./support/wait.mjs";

scenario("a connection that fails says why and what to do, and never looks as if it worked", async (lab) => {
    const { registry, redis } = await lab.mesh();
    const id = await lab.plug("shop", "carts");
    const person = await lab.person();
    await person.enter(registry);
    await person.seesDrawn(3, 1);
    const works = await look();

    await redis.close();
    await registry.waitStatus("shop", "carts", "FAILED");
    const edge = await person.edgeAt(id);
    await person.page.mouse.click(edge.x, edge.y);
    const text = await person.reads("panel", /FAILED/i);
    assert.match(text, /target-refused|does not answer/, "why");
    assert.doesNotMatch(text, /ESTABLISHED/i);
    assert.match(text, /port|application|running|start/i, "what to do");
    await person.page.keyboard.press("Escape");
    const fails = await person.sees("the edge looks different", async () => {
        const now = await look();
        return !now.equals(works) && now;
    });

    await person.openConnections();
    await person.rowIsStatus(id, "FAILED");
    await person.reads(person.row(id), /FAILED/i);
    await person.page.keyboard.press("Escape");
    await person.isGone("connections-dialog");

    // It comes back by itself, and so does its look.
    await redis.up();
    await registry.waitStatus("shop", "carts", "ESTABLISHED");
    await person.sees("the edge looks well again", async () => !(await look()).equals(fails));
    await person.openConnections();
    await person.rowIsStatus(id, "ESTABLISHED");
    assert.ok(await flows(lab.port("shop", "carts")));

    async function look() {
        const { x, y } = await person.edgeAt(id);
        await person.page.mouse.move(5, 5);
        return person.page.screenshot({ clip: { x: x - 6, y: y - 6, width: 12, height: 12 } });
    }
});

scenario("two people see each other's changes", async (lab) => {
    const { registry } = await lab.mesh();
    const [anna, ben] = [await lab.person(), await lab.person({ dark: true })];
    await anna.enterByCode(registry);
    await ben.enter(registry, "operator");
    await ben.openConnections();
    assert.equal(await ben.rows().count(), 0);
    const asked = ben.asked.length;

    await anna.id("open-add").first().click();
    await anna.choose("shop", "carts", "redis", "cache");
    await anna.id("add-submit").click();
    await ben.rows().first().waitFor();
    const id = await ben.rows().first().getAttribute("data-id");
    await ben.rowIsStatus(id, "ESTABLISHED", { seconds: 30 });
    await ben.seesDrawn(3, 1);
    await anna.seesDrawn(3, 1);

    await ben.row(id).getByTestId("disconnect").click();
    if ((await ben.id("confirm-check").count()) > 0) await ben.id("confirm-check").check();
    await ben.id("confirm-yes").click();
    await anna.seesDrawn(3, 0);
    await ben.seesDrawn(3, 0);

    // An application that joins appears to both, and one that is removed disappears.
    await lab.sidecar("api", { outbounds: { store: false } });
    await anna.seesDrawn(4, 0);
    await ben.seesDrawn(4, 0);
    await registry.apply("web", { inbounds: { http: 8080 } });
    await anna.seesDrawn(5, 0);
    await registry.good("DELETE", "/v1/instances/web");
    await anna.seesDrawn(4, 0);
    await ben.seesDrawn(4, 0);
    const polled = ben.asked.slice(asked).filter((line) => line === "GET /v1/connections");
    assert.deepEqual(polled, [], "events, not polling");
});

scenario("the registry is killed and comes back; nobody has to sign in again", async (lab) => {
    const { registry, redis } = await lab.mesh();
    const id = await lab.plug("shop", "carts");
    const gone = await lab.plug("blog", "drafts");
    const person = await lab.person();
    await person.enterByCode(registry);
    await person.openConnections();
    await person.rowIsStatus(id, "ESTABLISHED");
    await person.rowIsStatus(gone, "ESTABLISHED");

    await registry.kill();
    await person.reads("status-live", /Offline/);
    assert.ok(await flows(lab.port("shop", "carts")), "what is connected goes on");
    assert.equal(await person.rows().count(), 2, "what was known stays on the screen");

    // Behind the page's back: one connection goes as soon as the registry is there, the other fails.
    await redis.close();
    await registry.up();
    await registry.good("DELETE", `/v1/connections/${gone}`);
    await person.reads("status-live", /Live/, { seconds: 40 });
    await person.rowIsStatus(id, "FAILED", { seconds: 30 });
    await person.sees("the other row is gone", async () => (await person.row(gone).count()) === 0, {
        seconds: 30,
    });
    assert.equal(await person.id("sign-in").isVisible(), false, "still signed in");
    await redis.up();
    await person.rowIsStatus(id, "ESTABLISHED", { seconds: 30 });

    // And what the person does now is done.
    await person.page.keyboard.press("Escape");
    await person.id("open-add").first().click();
    await person.choose("blog", "drafts", "redis", "cache");
    await person.id("add-submit").click();
    await registry.waitStatus("blog", "drafts", "ESTABLISHED");
    await eventually("Redis answers", () => flows(lab.port("blog", "drafts")));
});

scenario(
    "a request that gets no answer is told, and nothing is lost",
    async (lab) => {
        const { registry } = await lab.mesh();
        const person = await lab.person();
        await person.enter(registry);
        await person.id("open-add").first().click();
        await person.choose("blog", "drafts", "redis", "cache");
        await registry.kill();
        await person.reads("status-live", /Offline/);
        if (await person.id("add-submit").isEnabled()) {
            await person.id("add-submit").click();
            await person.reads("add-problem", /registry|answer|offline/i, { seconds: 30 });
        }
        assert.equal(await person.id("add-dialog").isVisible(), true);
        assert.equal(await person.id("add-outbound").inputValue(), "drafts", "the choice is still there");

        await registry.up();
        await person.reads("status-live", /Live/, { seconds: 40 });
        await registry.waitDeclared("redis", "blog");
        await person.sees("it can be sent again", () => person.id("add-submit").isEnabled());
        assert.equal(await person.id("add-outbound").inputValue(), "drafts", "and now too");
        await person.id("add-submit").click();
        await registry.waitStatus("blog", "drafts", "ESTABLISHED");
    },
    { seconds: 90 },
);
