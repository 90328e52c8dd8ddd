/* The configuration of a sidecar that joins, ready to be saved and used (appnet-sidecar.conf(5)). */

import type { Instance } from "./api";

/** `host` is where this page found the registry; sidecars join at its tls_listen, 15010 unless configured. */
export function sidecarConfiguration(
    name: string,
    trustDomain: string,
    host: string,
    instance: Instance | undefined,
): string {
    const address = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
    const outbounds = (instance?.outbounds ?? []).map(
        (each) =>
            `    { name = "${each.name}";${each.required ? " required = true;" : ""}${each.port === null ? "" : ` listen = "127.0.0.1:${each.port}";`} }`,
    );
    const inbounds = (instance?.inbounds ?? []).map(
        (each) => `    { name = "${each.name}"; target = "127.0.0.1:${each.port}"; }`,
    );
    const list = (option: string, entries: string[], example: string): string =>
        entries.length > 0 ? `${option} = (\n${entries.join(",\n")}\n);` : `# ${option} = ( ${example} );`;
    return [
        `instance     = "${name}";`,
        `trust_domain = "${trustDomain}";`,
        `state_dir    = "/var/lib/appnet";`,
        `admin        = "/run/appnet/${name}.sock";`,
        `# address: the registry's tls_listen. The file holds the join token.`,
        `registry  = { address = "${address}:15010"; join_token_file = "/run/appnet/token"; };`,
        `# advertise: where other sidecars reach this one.`,
        `tunnel    = { listen = "0.0.0.0:15008"; advertise = "THIS-MACHINE:15008"; };`,
        list("outbounds", outbounds, '{ name = "db"; required = true; }'),
        list("inbounds", inbounds, '{ name = "http"; target = "127.0.0.1:80"; }'),
        "",
    ].join("\n");
}
