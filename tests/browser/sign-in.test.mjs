// Who gets in, and how.

import assert from "node:assert/strict";

import { scenario } from "./support/lab.mjs";

scenario("the printed address signs in, and its code is good only once", async (lab) => {
    const registry = await lab.registry();
    const address = registry.pageAddress();
    const person = await lab.person();
    await person.enterByCode(registry);
    assert.equal(person.page.url(), `${registry.origin}/`, "the code is out of the address bar");
    await person.reads("role", /admin/i);
    const [cookie, ...others] = await person.context.cookies();
    assert.equal(others.length, 0);
    assert.ok(cookie.httpOnly, "no script can read it");
    assert.equal(cookie.sameSite, "Strict");
    assert.equal(await person.page.evaluate(() => document.cookie), "");
    const kept = await person.page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    assert.ok(!kept.includes(address.split("#code=")[1]), "nor is it kept elsewhere");

    await person.page.reload();
    await person.isIn();
    await person.page.goto("about:blank");
    await person.page.goBack();
    await person.isIn();
    assert.ok(!person.page.url().includes("code"), "nor in the history");

    const other = await lab.person();
    await other.page.goto(address);
    await other.reads("sign-in-problem", /code/i);
    assert.equal(await other.id("sign-in").isVisible(), true);
    assert.ok(!other.page.url().includes("code"));
});

scenario("a pasted token signs in; a wrong one is refused and says so", async (lab) => {
    const registry = await lab.registry();
    const person = await lab.person();
    await person.page.goto(registry.origin);
    await person.id("sign-in-token").fill("not-a-token");
    await person.id("sign-in-submit").click();
    await person.reads("sign-in-problem", /\S/);
    assert.equal(await person.id("sign-in").isVisible(), true);

    // With the newline that a copied line ends with; and by the keyboard.
    await person.id("sign-in-token").fill(` ${registry.token("operator")} `);
    await person.id("sign-in-token").press("Enter");
    await person.isIn();
    await person.reads("role", /operator/i);
    const text = await person.page.evaluate(
        () => document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage }),
    );
    assert.ok(!text.includes(registry.token("operator")), "the token is not kept");
});

scenario("who signs out is out, in every window", async (lab) => {
    const registry = await lab.registry();
    const person = await lab.person();
    await person.enter(registry);
    const window2 = await person.context.newPage();
    await window2.goto(registry.origin);
    await window2.getByTestId("graph").waitFor();

    await person.id("sign-out").click();
    await person.id("sign-in").waitFor();
    assert.deepEqual(await person.context.cookies(), []);
    const answer = await person.page.evaluate(async () => (await fetch("/v1/instances")).status);
    assert.equal(answer, 401);
    await window2.reload();
    await window2.getByTestId("sign-in").waitFor();
});

scenario("a viewer sees everything, has no buttons, and is refused by the API", async (lab) => {
    const { registry } = await lab.mesh();
    const id = await lab.plug("blog", "drafts");
    const person = await lab.person();
    await person.enter(registry, "viewer");
    await person.reads("role", /viewer/i);
    await person.seesDrawn(3, 1);
    await isNotThere("open-add");
    await person.openConnections();
    await person.rowIsStatus(id, "ESTABLISHED");
    await isNotThere("disconnect");
    await isNotThere("open-add");
    await person.page.keyboard.press("Escape");
    await person.isGone("connections-dialog");

    const node = await person.at({ instance: "redis" });
    await person.page.mouse.click(node.x, node.y);
    await person.reads("panel-title", /redis/);
    await isNotThere("token-create");
    await isNotThere("instance-remove");

    // Pulling a wire does nothing either.
    await person.drag(
        await person.at({ instance: "shop", outbound: "carts" }),
        await person.at({ instance: "redis", inbound: "cache" }),
    );
    await isNotThere("add-dialog");

    const answers = await person.page.evaluate(async (connection) => {
        const ask = async (method, path, body) => {
            const answer = await fetch(path, {
                method,
                headers: body ? { "Content-Type": "application/json" } : {},
                body: body && JSON.stringify(body),
            });
            return [answer.status, (await answer.json()).code];
        };
        return [
            await ask("DELETE", `/v1/connections/${connection}`),
            await ask("POST", "/v1/connections", {
                source_instance: "shop",
                outbound: "carts",
                target_instance: "redis",
                inbound: "cache",
            }),
            await ask("POST", "/v1/join-tokens", { instance: "shop" }),
            await ask("DELETE", "/v1/instances/redis?force=true"),
        ];
    }, id);
    for (const answer of answers) assert.deepEqual(answer, [403, "forbidden"]);
    assert.equal((await registry.connections()).length, 1);

    async function isNotThere(name) {
        for (const one of await person.id(name).all()) {
            assert.equal(await one.isVisible(), false, `a viewer has no ${name}`);
        }
    }
});

scenario("another site cannot use the session of a person", async (lab) => {
    const { registry } = await lab.mesh();
    const person = await lab.person();
    await person.enter(registry);
    const [cookie] = await person.context.cookies();
    const headers = { Cookie: `${cookie.name}=${cookie.value}` };
    const ask = (method, path, more, body) =>
        registry.call(method, path, body, { role: null, headers: { ...headers, ...more } });

    const token = { instance: "shop" };
    assert.equal((await ask("POST", "/v1/join-tokens", { Origin: registry.origin }, token)).status, 201);
    for (const more of [{ Origin: "http://evil.example" }, { Origin: "null" }, {}]) {
        const refused = await ask("POST", "/v1/join-tokens", more, token);
        assert.deepEqual([refused.status, refused.body.code], [403, "cross-site"], JSON.stringify(more));
    }

    // A page of another origin on the same machine: framing, reading and sending are all refused.
    const other = await lab.stage({ instances: [], connections: [] });
    const visitor = await person.context.newPage();
    await visitor.route(`${other.origin}/elsewhere`, (route) =>
        route.fulfill({ contentType: "text/html", body: "<title>elsewhere</title>" }),
    );
    await visitor.goto(`${other.origin}/elsewhere`);
    const seen = await visitor.evaluate(async (origin) => {
        const tries = {};
        tries.read = await fetch(`${origin}/v1/instances`, { credentials: "include" }).then(
            () => "read",
            () => "refused",
        );
        tries.sent = await fetch(`${origin}/v1/join-tokens`, {
            method: "POST",
            credentials: "include",
            mode: "no-cors",
            headers: { "Content-Type": "text/plain" },
            body: JSON.stringify({ instance: "shop" }),
        }).then(
            () => "sent",
            () => "refused",
        );
        const frame = document.createElement("iframe");
        frame.src = `${origin}/`;
        const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
        document.body.append(frame);
        await loaded;
        try {
            tries.framed = frame.contentDocument === null ? "refused" : "empty";
        } catch {
            tries.framed = "refused";
        }
        return tries;
    }, registry.origin);
    assert.equal(seen.read, "refused");
    const frame = visitor.frames().find((one) => one !== visitor.mainFrame());
    assert.equal(await frame.getByTestId("sign-in").count(), 0, "the page is not framed");
    assert.equal(await frame.getByTestId("graph").count(), 0, "the page is not framed");
    const { tokens } = await registry.good("GET", "/v1/join-tokens");
    // Those of the three sidecars and the one from the page's own origin.
    assert.equal(tokens.length, 4, "nothing was made from elsewhere");
    // All this was meant to be refused, and the browser said so.
    await visitor.close();
    person.complaints = person.complaints.filter(
        (text) => !/asked somebody else: http:\/\/127|CORS|frame|X-Frame-Options/i.test(text),
    );
});
