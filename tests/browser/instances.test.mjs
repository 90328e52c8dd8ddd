// One application: what it has, who may join as it, and its end.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { scenario } from "./support/lab.mjs";

async function openPanel(person, name) {
    const node = await person.at({ instance: name });
    await person.page.mouse.click(node.x, node.y);
    await person.reads("panel-title", new RegExp(name));
}

scenario("an instance shows its sources, its targets and its replicas", async (lab) => {
    const { registry } = await lab.mesh();
    await lab.plug("shop", "carts");
    await lab.plug("blog", "drafts");
    const person = await lab.person();
    await person.enter(registry, "viewer");
    await person.seesDrawn(3, 2);
    await openPanel(person, "redis");
    await person.reads("panel", /cache/);
    await person.reads("panel", /shop[\s\S]*carts/);
    await person.reads("panel", /blog[\s\S]*drafts/);
    await openPanel(person, "shop");
    await person.reads("panel", /carts[\s\S]*redis[\s\S]*cache/);
    await person.reads("panel", /replica/i);
    await person.reads("panel", /certificate/i);
});

scenario("traffic is seen as it flows, and that it has ended", async (lab) => {
    const { registry } = await lab.mesh();
    const id = await lab.plug("shop", "carts");
    const person = await lab.person();
    await person.enter(registry, "viewer");
    await openPanel(person, "shop");
    await person.reads("panel", /\b0 B\/s/);
    const stop = await lab.pump("shop", "carts");
    await person.reads("panel", /[1-9][\d.,]* (k|M)B\/s/, { seconds: 30 });
    await person.reads("panel", /1\s+open now/);
    const edge = await person.edgeAt(id);
    await person.page.mouse.click(edge.x, edge.y);
    await person.reads("panel-title", /shop[\s\S]*redis/);
    await person.reads("panel", /[1-9][\d.,]* (k|M)B\/s/, { seconds: 30 });
    stop();
    await person.sees(
        "nothing flows any more",
        async () => !/(k|M)B\/s/.test(await person.id("panel").innerText()),
        { seconds: 40 },
    );
    await person.reads("panel", /0\s+open now/, { seconds: 20 });
});

scenario("an operator makes a join token, and what is shown works when it is pasted", async (lab) => {
    const registry = await lab.registry();
    await registry.apply("sensor", { outbounds: { collector: false } });
    const person = await lab.person();
    await person.enter(registry, "operator");
    await person.seesDrawn(1, 0);
    await openPanel(person, "sensor");
    await person.id("token-create").click();
    await person.id("token-submit").click();
    const token = (await person.reads("token-text", /^\s*appnet1\.\S+\s*$/)).trim();
    const text = await shown("token-config");
    assert.ok(!text.includes(token), "the secret goes into a file of its own");

    // As a person does it: both are pasted into files, in an empty folder.
    const file = /join_token_file\s*=\s*"([^"]+)"/.exec(text)[1];
    const target = path.resolve(lab.folder, file);
    assert.ok(target.startsWith(lab.folder), `a path of this folder, not ${file}`);
    fs.writeFileSync(target, `${token}\n`, { mode: 0o600 });
    await lab.sidecarOf("sensor", text);
    await person.sees("the replica is there", async () => {
        const [row] = await registry.instances();
        return row.replicas.some((replica) => replica.live);
    });

    // Shown once: nobody can have it again.
    await person.page.reload();
    await person.isIn();
    await openPanel(person, "sensor");
    const page = await person.page.content();
    assert.ok(!page.includes(token));
    const kept = await person.page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    assert.ok(!kept.includes(token));

    async function shown(name) {
        await person.id(name).waitFor();
        return person.id(name).evaluate((element) => element.value ?? element.textContent);
    }
});

scenario("an instance is removed, with its warnings", async (lab) => {
    const { registry } = await lab.mesh();
    await registry.apply("old", { outbounds: { cache: false } });
    await lab.plug("shop", "carts");
    const person = await lab.person();
    await person.enter(registry, "admin");
    await person.seesDrawn(4, 1);

    await openPanel(person, "old");
    await person.id("instance-remove").click();
    await person.reads("confirm-text", /old/);
    await person.id("confirm-no").click();
    await person.isGone("confirm-dialog");
    await person.seesDrawn(4, 1);
    await person.id("instance-remove").click();
    await person.id("confirm-yes").click();
    await person.seesDrawn(3, 1);

    // This one is used: the warning names who loses what.
    await openPanel(person, "redis");
    await person.id("instance-remove").click();
    const text = await person.reads("confirm-text", /redis/);
    assert.match(text, /shop/);
    assert.match(text, /carts/);
    if ((await person.id("confirm-check").count()) > 0) {
        assert.equal(await person.id("confirm-yes").isEnabled(), false);
        await person.id("confirm-check").check();
    }
    await person.id("confirm-yes").click();
    await person.seesDrawn(2, 0, { seconds: 30 });
    assert.deepEqual(
        (await registry.instances()).map((row) => row.name),
        ["blog", "shop"],
    );
});

scenario("an operator makes tokens but removes no instances", async (lab) => {
    const registry = await lab.registry();
    await registry.apply("sensor", { outbounds: { collector: false } });
    const person = await lab.person();
    await person.enter(registry, "operator");
    await person.seesDrawn(1, 0);
    await openPanel(person, "sensor");
    assert.equal(await person.id("token-create").isVisible(), true);
    for (const one of await person.id("instance-remove").all()) assert.equal(await one.isVisible(), false);
});
