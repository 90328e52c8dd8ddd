// Every view in light and dark: WCAG 2.1 A and AA as far as a machine can tell, and room for it on a
// phone and on a very large screen.

import { scenario } from "./support/lab.mjs";
import { PHONE } from "./support/person.mjs";
import { furnish, signInViews, views } from "./support/views.mjs";

for (const dark of [false, true]) {
    scenario(
        `every view is accessible and fits, in ${dark ? "dark" : "light"}`,
        async (lab, t) => {
            const { registry, ids } = await furnish(lab);
            const wrong = [];
            for (const viewport of [undefined, PHONE]) {
                const person = await lab.person({ dark, viewport });
                const size = viewport ? "phone" : "desktop";
                const visit = async (name) => {
                    for (const check of [() => person.isAccessible(name), () => person.fits(name)]) {
                        await check().catch((error) => wrong.push(`${size}: ${error.message}`));
                    }
                };
                await signInViews(person, visit);
                await person.enter(registry);
                await views(person, ids, visit);
                await person.context.close();
                lab.people.splice(lab.people.indexOf(person), 1);
                person.check();
            }
            if (wrong.length > 0) throw new Error([...new Set(wrong)].join("\n\n"));
            t.diagnostic("no violations");
        },
        { seconds: 150 },
    );
}

for (const dark of [false, true]) {
    scenario(
        `what the pointer is on can be read, in ${dark ? "dark" : "light"}`,
        async (lab, t) => {
            const { registry, ids } = await furnish(lab);
            const person = await lab.person({ dark });
            const wrong = [];
            let looked = 0;
            const visit = async (name) => {
                try {
                    looked += await person.isLegibleUnderPointer(name);
                } catch (error) {
                    wrong.push(error.message);
                }
            };
            await signInViews(person, visit);
            await person.enter(registry);
            await views(person, ids, visit);
            if (wrong.length > 0) throw new Error(wrong.join("\n\n"));
            t.diagnostic(`${looked} places`);
        },
        { seconds: 150 },
    );
}

scenario("what is offline, empty or forbidden is accessible, too", async (lab) => {
    const registry = await lab.registry();
    for (const dark of [false, true]) {
        const person = await lab.person({ dark });
        await person.enter(registry, "viewer");
        await person.isAccessible("an empty mesh");
        await person.fits("an empty mesh");
        await person.openConnections();
        await person.isAccessible("an empty list");
    }
    await registry.kill();
    for (const person of lab.people) {
        await person.page.keyboard.press("Escape");
        await person.reads("status-live", /Offline/);
        await person.isAccessible("offline");
        await person.fits("offline");
    }
});

scenario("a theme can be chosen against the system's, and stays", async (lab) => {
    const registry = await lab.registry();
    const person = await lab.person();
    await person.enter(registry, "viewer");
    const background = () =>
        person.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await background();
    await person.sees("another background", async () => {
        await person.id("theme").click();
        return (await background()) !== light;
    });
    const dark = await background();
    await person.page.reload();
    await person.isIn();
    await person.sees("the chosen theme", async () => (await background()) === dark);
});

scenario(
    "a very large screen is used",
    async (lab) => {
        const { registry, ids } = await furnish(lab);
        const person = await lab.person({ viewport: { width: 3840, height: 2160 } });
        await person.enter(registry);
        await views(person, ids, (name) => person.fits(name));
    },
    { seconds: 150 },
);
