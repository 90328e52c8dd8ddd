/*
 * How the built page bears a large deployment: time to the first drawing, and frames while the view and a card
 * are dragged, in a headless Chromium that draws without a graphics card.
 *   node bench/measure.mjs [INSTANCES CONNECTIONS]     after `npm run build`
 * playwright-core is taken from tests/browser, or from the folder in PLAYWRIGHT; Chromium from CHROMIUM.
 */
import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { extname, join, resolve } from "node:path";
import { fakeMesh } from "./mesh.mjs";

const here = new URL(".", import.meta.url).pathname;
const dist = resolve(here, "../dist");
const browsers = process.env.PLAYWRIGHT ?? resolve(here, "../../../../tests/browser");
const { chromium } = createRequire(join(browsers, "package.json"))("playwright-core");
const [instances, connections] = process.argv.slice(2).map(Number);
const mesh = fakeMesh(instances || 1000, connections || 3000);

const json = (response, body, status = 200) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
};
const types = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
};
const server = createServer((request, response) => {
    const path = new URL(request.url, "http://localhost").pathname;
    if (path === "/v1/session") {
        json(response, { role: "admin", trust_domain: "bench.example", version: "0" });
    } else if (path === "/v1/instances") {
        json(response, { instances: mesh.instances, revision: 1 });
    } else if (path === "/v1/connections") {
        json(response, { connections: mesh.connections, revision: 1 });
    } else if (path === "/v1/events") {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write('event: reset\ndata: {"revision":1}\n\n');
        /* 300 connections a second tell of their traffic. */
        const timer = setInterval(() => {
            for (let i = 0; i < 30; i++) {
                const one = mesh.connections[Math.floor(Math.random() * mesh.connections.length)];
                one.sent += Math.floor(Math.random() * 1e6);
                one.streams = 1 + Math.floor(Math.random() * 9);
                response.write(`event: connection\ndata: ${JSON.stringify(one)}\n\n`);
            }
        }, 100);
        response.on("close", () => clearInterval(timer));
    } else {
        const file = join(dist, path === "/" ? "index.html" : path);
        if (!existsSync(file)) {
            response.writeHead(404).end();
            return;
        }
        response.writeHead(200, { "content-type": types[extname(file)] ?? "text/plain" });
        response.end(readFileSync(file));
    }
});

/** Seconds of processor time that the page's process has used. */
async function cpu(session) {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    return Math.max(
        ...processInfo.filter((each) => each.type === "renderer").map((each) => each.cpuTime),
    );
}

/** Milliseconds between frames while `act` runs. */
async function frames(page, session, act) {
    const before = await cpu(session);
    await page.evaluate(() => {
        window.frameTimes = [];
        const next = (time) => {
            window.frameTimes?.push(time);
            if (window.frameTimes) requestAnimationFrame(next);
        };
        requestAnimationFrame(next);
    });
    await act();
    const times = await page.evaluate(() => {
        const all = window.frameTimes;
        window.frameTimes = null;
        return all;
    });
    const gaps = times
        .slice(1)
        .map((time, index) => time - times[index])
        .sort((a, b) => a - b);
    const at = (part) => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * part))] ?? NaN;
    const seconds = (times.at(-1) - times[0]) / 1000;
    return `${(gaps.length / seconds).toFixed(0)} frames/s, median ${at(0.5).toFixed(0)} ms, 95 % within ${at(0.95).toFixed(0)} ms, ${((((await cpu(session)) - before) * 1000) / gaps.length).toFixed(0)} ms of processor time each`;
}

async function drag(page, from, steps) {
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    for (let step = 1; step <= steps; step++) {
        await page.mouse.move(from.x + 90 * Math.sin(step / 9), from.y + step * 1.5);
        await page.waitForTimeout(8);
    }
    await page.mouse.up();
}

await new Promise((done) => server.listen(0, "127.0.0.1", done));
const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
});
try {
    const session = await browser.newBrowserCDPSession();
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    page.on("pageerror", (error) => console.log("page error:", error.message));
    await page.addInitScript(() => {
        const look = () => {
            const graph = document.querySelector("[data-testid=graph]");
            if (graph && Number(graph.dataset.nodes) > 0) {
                requestAnimationFrame(() =>
                    setTimeout(() => (window.firstDrawing = performance.now())),
                );
            } else {
                requestAnimationFrame(look);
            }
        };
        requestAnimationFrame(look);
    });
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.waitForFunction(() => window.firstDrawing, null, { timeout: 120_000 });
    const counts = await page.$eval("[data-testid=graph]", ({ dataset }) => [
        dataset.nodes,
        dataset.edges,
    ]);
    console.log(`${counts[0]} instances, ${counts[1]} connections`);
    console.log(
        `first drawing after ${Math.round(await page.evaluate(() => window.firstDrawing))} ms`,
    );
    console.log(`processor time until then: ${(await cpu(session)).toFixed(1)} s`);
    await page.waitForTimeout(3000);
    if (process.env.SHOT) {
        await page.screenshot({ path: process.env.SHOT });
    }
    const box = await page.locator("[data-testid=graph]").boundingBox();
    const corner = { x: box.x + 8, y: box.y + 8 };
    console.log(
        "at rest:                  ",
        await frames(page, session, () => page.waitForTimeout(2000)),
    );
    console.log(
        "dragging the view, all:   ",
        await frames(page, session, () => drag(page, corner, 40)),
    );
    const name = mesh.instances[Math.floor(mesh.instances.length / 2)].name;
    const card = await page.evaluate((instance) => window.appnet.at({ instance }), name);
    console.log(
        "dragging a card, all:     ",
        await frames(page, session, () => drag(page, card, 40)),
    );
    await page.locator(`[data-testid=instance-item][data-name="${name}"]`).click();
    await page.waitForTimeout(1500);
    const near = await page.evaluate((instance) => window.appnet.at({ instance }), name);
    console.log(
        "dragging a card, near:    ",
        await frames(page, session, () => drag(page, near, 40)),
    );
    if (process.env.SHOT) {
        await page.screenshot({ path: process.env.SHOT.replace(".png", "-near.png") });
    }
} finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
}
