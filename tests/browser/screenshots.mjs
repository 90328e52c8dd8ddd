// screenshots.mjs FOLDER: pictures of the page for the documentation, of real applications. pngquant makes
// them small where it is there.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

import { scenario } from "./support/lab.mjs";
import { clickOn, closePanel, furnish, views } from "./support/views.mjs";

const folder = path.resolve(process.argv[2]);
const WANTED = ["graph", "panel-shop", "connections", "add", "confirmation-required"];
const SIZES = [
    { width: 1440, height: 900 },
    { width: 360, height: 740 },
];

scenario(
    "screenshots",
    async (lab) => {
        fs.mkdirSync(folder, { recursive: true });
        const { registry, ids } = await furnish(lab);
        for (const dark of [false, true]) {
            for (const viewport of SIZES) {
                const person = await lab.person({ dark, viewport });
                await person.enter(registry);
                // With what flows, and a little of its history.
                await clickOn(person, await person.at({ instance: "shop" }));
                await person.reads("panel", /[1-9][\d.,]* (k|M)B\/s/, { seconds: 30 });
                await person.page.waitForTimeout(12000);
                await closePanel(person);
                await views(person, ids, async (name) => {
                    if (!WANTED.includes(name)) return;
                    const label = name.replace(/-required|-shop/, "");
                    const file = path.join(
                        folder,
                        `${label}-${dark ? "dark" : "light"}-${viewport.width}.png`,
                    );
                    await person.page.mouse.move(0, 0);
                    await person.page.screenshot({ path: file, animations: "disabled" });
                    // Without it they are only larger.
                    spawnSync("pngquant", [
                        "--force",
                        "--strip",
                        "--speed",
                        "1",
                        "--quality",
                        "60-95",
                        "--output",
                        file,
                        file,
                    ]);
                });
                await person.close();
                lab.people.pop();
            }
        }
    },
    { seconds: 300 },
);
