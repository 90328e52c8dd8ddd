// A thousand instances and three thousand connections. The figures are the point; the bounds only catch
// what is unusable, also on a slow machine.

import assert from "node:assert/strict";
import fs from "node:fs";

import { SLOW } from "./support/environment.mjs";
import { scenario } from "./support/lab.mjs";
import { connection, instance } from "./support/stage.mjs";

const INSTANCES = 1000;
const CONNECTIONS = 3000;

/** Each application uses three that come after it, as layers of services do. */
function world() {
    const outbounds = { a: true, b: false, c: false };
    const instances = Array.from({ length: INSTANCES }, (_, index) =>
        instance(`app-${String(index).padStart(4, "0")}`, { inbounds: { http: 8080 }, outbounds }),
    );
    const connections = [];
    for (let number = 0; number < CONNECTIONS; number++) {
        const source = Math.floor(number / 3);
        const step = 1 + ((source * 7919 + (number % 3) * 104729) % 97);
        const target = (source + step) % INSTANCES;
        const failed = number % 50 === 0;
        connections.push(
            connection(number, instances[source], "abc"[number % 3], instances[target], "http", {
                status: failed ? "FAILED" : "ESTABLISHED",
                reason: failed ? "unreachable" : null,
                detail: failed ? "Its sidecar does not answer." : null,
                sent: number * 1000,
            }),
        );
    }
    return { instances, connections };
}

scenario(
    "1,000 instances and 3,000 connections stay usable",
    async (lab, t) => {
        const stage = await lab.stage(world());
        const person = await lab.person({ origin: stage.origin });
        const figure = (name, value) => {
            const line = `page, ${INSTANCES} instances, ${CONNECTIONS} connections: ${name}: ${value}`;
            t.diagnostic(line);
            if (process.env.APPNET_FIGURES) fs.appendFileSync(process.env.APPNET_FIGURES, `${line}\n`);
        };
        const timed = async (name, seconds, action) => {
            const start = performance.now();
            await action();
            const took = (performance.now() - start) / 1000;
            figure(name, `${took.toFixed(2)} s`);
            assert.ok(took < seconds * SLOW, `${name} took ${took} s`);
        };

        await timed("first drawing", 60, async () => {
            await person.page.goto(stage.origin);
            await person.seesDrawn(INSTANCES, CONNECTIONS, { seconds: 70 });
            await nextFrame();
        });
        await timed("all stands still", 30, () => person.at({ instance: "app-0500" }));

        // Moving the drawing by hand.
        const box = await person.id("graph").boundingBox();
        const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
        await person.page.evaluate(() => {
            window.frames_ = [];
            const note = (time) => {
                window.frames_.push(time);
                if (window.frames_.length < 10000) requestAnimationFrame(note);
            };
            requestAnimationFrame(note);
        });
        const corner = { x: box.x + 8, y: box.y + box.height - 8 };
        await person.page.mouse.move(corner.x, corner.y);
        await person.page.mouse.down();
        for (let step = 0; step < 60; step++) {
            await person.page.mouse.move(corner.x + 4 * step, corner.y - 2 * step);
        }
        await person.page.mouse.up();
        const frames = await person.page.evaluate(() => {
            const times = window.frames_;
            const gaps = times.slice(1).map((time, index) => time - times[index]);
            return {
                second: (1000 * gaps.length) / (times.at(-1) - times[0]),
                longest: Math.max(...gaps),
            };
        });
        figure(
            "frames while dragging",
            `${frames.second.toFixed(1)}/s, the longest ${frames.longest.toFixed(0)} ms`,
        );
        assert.ok(frames.second > 1 / SLOW, "it moves");

        await person.page.mouse.move(middle.x, middle.y);
        await timed("zooming in and out", 20, async () => {
            for (let step = 0; step < 5; step++) await person.page.mouse.wheel(0, -200);
            for (let step = 0; step < 5; step++) await person.page.mouse.wheel(0, 200);
            await nextFrame();
        });
        await timed("the list opens", 15, async () => {
            await person.openConnections();
            await person.rows().first().waitFor();
            await nextFrame();
        });
        await timed("the list is searched", 10, async () => {
            await person.id("connections-search").fill("app-0777");
            await person.sees("the found ones", async () => {
                const count = await person.rows().count();
                return count >= 3 && count < 100;
            });
        });
        await person.id("connections-search").fill("");
        await timed("the list is sorted", 15, async () => {
            await person.id("sort-target").click();
            await nextFrame();
        });
        await person.page.keyboard.press("Escape");
        await person.isGone("connections-dialog");

        await timed("the dialog opens and chooses", 15, async () => {
            await person.id("open-add").first().click();
            await person.sees(
                "the sources",
                async () => (await person.options("add-source")).length > INSTANCES / 2,
            );
            await person.page.keyboard.press("Escape");
        });

        // Everything reports at once.
        const last = stage.world.connections.at(-1);
        await timed("500 changes arrive", 20, async () => {
            for (const row of stage.world.connections.slice(-500)) {
                stage.say("connection", { ...row, sent: row.sent + 1e6, streams: 3 });
            }
            stage.say("connection-removed", { id: last.id });
            await person.seesDrawn(INSTANCES, CONNECTIONS - 1, { seconds: 30 });
            await nextFrame();
        });

        function nextFrame() {
            return person.page.evaluate(
                () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
            );
        }
    },
    { seconds: 240 },
);
