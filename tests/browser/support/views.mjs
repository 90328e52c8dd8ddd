// A walk through every view of the page that changes nothing: for what must hold on each of them.

/**
 * Six applications that run and one that is only described; five connections, of which one has failed; traffic on
 * one of them. worker's "jobs" is free.
 */
export async function furnish(lab) {
    const { registry } = await lab.mesh({ shop: { carts: true, orders: true } });
    await Promise.all([
        lab.sidecar("api", { inbounds: { http: await lab.server() }, outbounds: { sessions: true } }),
        lab.sidecar("web", { outbounds: { backend: true } }),
        lab.sidecar("worker", { outbounds: { jobs: false } }),
        registry.apply("mysql", { inbounds: { sql: 3306 } }),
    ]);
    await registry.waitDeclared("api", "web", "worker");
    const ids = {};
    [ids.shop, ids.blog, ids.api, ids.web] = await Promise.all([
        lab.plug("shop", "carts"),
        lab.plug("blog", "drafts"),
        lab.plug("api", "sessions"),
        lab.plug("web", "backend", "api", "http"),
    ]);
    ids.mysql = (await registry.connect("shop", "orders", "mysql", "sql")).id;
    await registry.waitStatus("shop", "orders", "FAILED");
    await lab.pump("shop", "carts");
    return { registry, ids, nodes: 7, edges: 5 };
}

/** Before anybody is in. */
export async function signInViews(person, visit) {
    await person.page.goto(person.origin);
    await person.id("sign-in").waitFor();
    await visit("sign-in");
    await person.id("sign-in-token").fill("wrong");
    await person.id("sign-in-submit").click();
    await person.reads("sign-in-problem", /\S/);
    await visit("sign-in-refused");
}

/** Of one who is in as admin. `visit(name)` is called on each. */
export async function views(person, ids, visit) {
    await person.seesDrawn(7, 5);
    await person.at({ instance: "web" });
    await visit("graph");

    for (const name of ["redis", "shop"]) {
        await clickOn(person, await person.at({ instance: name }));
        await person.reads("panel-title", new RegExp(name));
        await visit(`panel-${name}`);
        await closePanel(person);
    }

    await person.openConnections();
    await person.row(ids.mysql).waitFor();
    await visit("connections");
    await person.id("connections-search").fill("nothing has this name");
    await person.sees("an empty list", async () => (await person.rows().count()) === 0);
    await visit("connections-none");
    await person.id("connections-search").fill("");

    await person.row(ids.blog).getByTestId("disconnect").click();
    await person.id("confirm-dialog").waitFor();
    await visit("confirmation");
    await person.id("confirm-no").click();
    await person.isGone("confirm-dialog");
    await person.row(ids.shop).getByTestId("disconnect").click();
    await person.id("confirm-dialog").waitFor();
    await visit("confirmation-required");
    await person.id("confirm-no").click();
    await person.isGone("confirm-dialog");
    await person.page.keyboard.press("Escape");
    await person.isGone("connections-dialog");

    await person.id("open-add").first().click();
    await person.id("add-dialog").waitFor();
    await visit("add-empty");
    await person.choose("worker", "jobs", "redis", "cache");
    await visit("add");
    await person.page.keyboard.press("Escape");
    await person.isGone("add-dialog");
}

export async function clickOn(person, { x, y }) {
    await person.page.mouse.click(x, y);
}

/** On a phone the panel covers the drawing. */
export async function closePanel(person) {
    await person.page.keyboard.press("Escape");
    if (await person.id("panel").isVisible()) {
        await person.id("panel").getByRole("button", { name: /close/i }).first().click();
    }
    await person.sees("the panel is closed", async () => !(await person.id("panel").isVisible()));
}
