// A real sidecar that joins with a token, or runs from a configuration that a person has pasted.

import fs from "node:fs";
import path from "node:path";

import { program } from "./environment.mjs";
import { Process } from "./process.mjs";
import { eventually } from "./wait.mjs";

export class Sidecar extends Process {
    /** Runs from the text of a configuration, in a folder of its own. */
    constructor(folder, name, text) {
        const file = path.join(folder, `${name}.conf`);
        fs.writeFileSync(file, text);
        super(
            `${name}'s sidecar`,
            [program("appnet-sidecar"), "-c", file],
            path.join(folder, `${name}-sidecar.log`),
            {
                cwd: folder,
            },
        );
    }

    async up() {
        const since = this.text().length;
        this.start();
        await eventually(
            () => `${this.name} has started:\n${this.tail()}`,
            () => {
                if (!this.isRunning) throw new Error("it has ended");
                return this.text().includes("sidecar started", since);
            },
            { seconds: 20 },
        );
        return this;
    }

    /** Ends it without waiting for open streams. */
    async close() {
        if (this.isRunning) {
            this.signal("SIGTERM");
            this.signal("SIGTERM");
        }
        await super.close();
    }
}

/**
 * @param inbounds {name: port of the application}
 * @param outbounds {name: {listen: port, required}}
 */
export function configuration({ registry, folder, instance, tokenFile, tunnelPort, inbounds, outbounds }) {
    const list = (rows) => `( ${rows.join(",\n              ")} )`;
    return `instance     = "${instance}";
trust_domain = "${registry.trustDomain}";
state_dir    = "${folder}/${instance}-state";
admin        = "${folder}/${instance}.sock";
drain_timeout = 2;
registry     = { address = "${registry.joinAddress}"; join_token_file = "${tokenFile}"; };
tunnel       = { listen = "127.0.0.1:${tunnelPort}"; workers = 1; };
inbounds     = ${list(
        Object.entries(inbounds).map(([name, port]) => `{ name = "${name}"; target = "127.0.0.1:${port}"; }`),
    )};
outbounds    = ${list(
        Object.entries(outbounds).map(
            ([name, { listen, required }]) =>
                `{ name = "${name}"; required = ${required ? "true" : "false"}; ` +
                `listen = "127.0.0.1:${listen}"; }`,
        ),
    )};
`;
}
