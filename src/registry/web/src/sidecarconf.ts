/* The configuration of a sidecar that joins, ready to be saved and used (appnet-sidecar.conf(5)). */

import type { Instance } from "./api";

const loopback = /^(localhost|127\.|\[?::1\]?)/;

/** The registry's address for sidecars: as it says itself, or else where the page was found, and the usual port. */
export function joinAddress(said: string | undefined, host: string): string {
    return said || `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:15010`;
}

/**
 * All names are relative to the folder in which the sidecar is started. The interfaces are those that the
 * instance has; for one that has none yet there are examples instead.
 */
export function sidecarConfiguration(
    name: string,
    trustDomain: string,
    address: string,
    instance: Instance | undefined,
): string {
    const listen = loopback.test(address) ? "127.0.0.1:15008" : "0.0.0.0:15008";
    const outbounds = instance?.outbounds ?? [];
    const inbounds = instance?.inbounds ?? [];
    const unknown = outbounds.length + inbounds.length === 0;
    const lines = [
        `instance     = "${name}";`,
        `trust_domain = "${trustDomain}";`,
        `state_dir    = "${name}";`,
        `admin        = "${name}.sock";`,
        `registry     = { address = "${address}"; join_token_file = "${name}.token"; };`,
    ];
    if (unknown) {
        lines.push(
            "# What it has; uncomment and change.",
            `# outbounds  = ( { name = "db"; required = true; listen = "127.0.0.1:3306"; } );`,
            `# inbounds   = ( { name = "http"; target = "127.0.0.1:80"; } );`,
            `# tunnel     = { listen = "${listen}"; };    # needed for inbounds; any free port`,
        );
    }
    if (outbounds.length > 0) {
        lines.push(
            "outbounds    = (",
            outbounds
                .map(
                    (each) =>
                        `    { name = "${each.name}";${each.required ? " required = true;" : ""}${each.port === null ? "" : ` listen = "127.0.0.1:${each.port}";`} }`,
                )
                .join(",\n"),
            ");",
        );
    }
    if (inbounds.length > 0) {
        lines.push(
            "inbounds     = (",
            inbounds
                .map((each) => `    { name = "${each.name}"; target = "127.0.0.1:${each.port}"; }`)
                .join(",\n"),
            ");",
            `tunnel       = { listen = "${listen}"; };    # any free port`,
        );
    }
    return `${lines.join("\n")}\n`;
}
