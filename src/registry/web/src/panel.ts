/* The panel at the side: one instance, or one connection, with all that is known of it. */

import { advise, certificate, replicas } from "./advice";
import type { Connection, Instance, Replica } from "./api";
import { confirmDisconnect, confirmRemoval } from "./confirm";
import { el, type Child } from "./dom";
import { age, bytes, counted, duration, moment, rate } from "./format";
import type { Selection } from "./graph";
import { icon, sparkline } from "./icons";
import type { Model } from "./model";
import { openToken } from "./tokens";
import { badge, button } from "./widgets";

const SPAN_MS = 5 * 60_000;

export interface PanelActions {
    select(selection: Selection): void;
    add(source: string, outbound: string): void;
}

function row(label: string, ...value: Child[]): HTMLElement {
    return el("div", { class: "row" }, el("dt", {}, label), el("dd", {}, ...value));
}

function section(title: string, ...children: Child[]): HTMLElement {
    return el("section", {}, el("h3", {}, title), ...children);
}

export class Panel {
    readonly element: HTMLElement;
    private readonly title: HTMLElement;
    private readonly subtitle: HTMLElement;
    private readonly body: HTMLElement;
    private readonly traffic: HTMLElement;
    private readonly foot: HTMLElement;
    private selection: Selection = null;
    private shown = "";
    /** Where the focus was before. */
    private opener: Element | null = null;

    constructor(
        private readonly model: Model,
        private readonly actions: PanelActions,
    ) {
        this.title = el("h2", {
            id: "panel-title",
            testid: "panel-title",
            tabindex: "-1",
        });
        this.subtitle = el("p", { class: "muted" });
        this.body = el("div", { class: "panel-body" });
        this.traffic = el("section", { class: "traffic" });
        this.foot = el("footer", { class: "panel-foot" });
        this.element = el(
            "aside",
            {
                class: "panel",
                testid: "panel",
                "aria-labelledby": "panel-title",
                hidden: true,
            },
            el(
                "header",
                { class: "panel-head" },
                el("div", {}, this.title, this.subtitle),
                button("Close", () => this.actions.select(null), {
                    icon: "close",
                    bare: true,
                    testid: "panel-close",
                }),
            ),
            el(
                "div",
                {
                    class: "panel-scroll",
                    tabindex: "0",
                    role: "region",
                    "aria-label": "Details",
                },
                this.traffic,
                this.body,
            ),
            this.foot,
        );
        this.element.addEventListener("keydown", (event) => {
            if (event.key === "Escape") {
                event.stopPropagation();
                this.actions.select(null);
            }
        });
    }

    /** Shows it; with `focus` the keyboard goes there, and back again when the panel is closed. */
    show(selection: Selection, focus: boolean): void {
        const was = this.selection;
        this.selection = selection;
        this.shown = "";
        if (selection && !was) {
            this.opener = document.activeElement;
        }
        this.element.hidden = selection === null;
        this.refresh();
        if (selection && focus) {
            this.title.focus({ preventScroll: true });
        }
        if (!selection && was && this.opener instanceof HTMLElement && this.opener.isConnected) {
            this.opener.focus({ preventScroll: true });
        }
    }

    /** Shows what is known now. What a person is about to press is not taken away under the pointer. */
    refresh(): void {
        const selection = this.selection;
        if (!selection) {
            return;
        }
        if (selection.kind === "instance") {
            const instance = this.model.instances.get(selection.name);
            this.element.dataset["kind"] = "instance";
            this.element.dataset["name"] = selection.name;
            delete this.element.dataset["id"];
            this.title.textContent = selection.name;
            if (!instance) {
                this.gone("This instance is gone.");
                return;
            }
            const { from, to } = this.model.connectionsOf(instance.name);
            this.fill([instance, from.map(bare), to.map(bare)], () =>
                this.instance(instance, from, to),
            );
            this.showTraffic([
                ...from.map((each) => ({ each, out: true })),
                ...to.map((each) => ({ each, out: false })),
            ]);
        } else {
            const connection = this.model.connections.get(selection.id);
            this.element.dataset["kind"] = "connection";
            this.element.dataset["id"] = selection.id;
            delete this.element.dataset["name"];
            if (!connection) {
                this.gone("This connection is gone.");
                return;
            }
            this.title.textContent = `${connection.source_instance} → ${connection.target_instance}`;
            this.fill([bare(connection), this.model.live], () => this.connection(connection));
            this.showTraffic([{ each: connection, out: true }]);
        }
    }

    private gone(text: string): void {
        this.subtitle.textContent = text;
        this.body.replaceChildren();
        this.traffic.replaceChildren();
        this.foot.replaceChildren();
        this.shown = "";
    }

    /** Makes the content anew only if what it is made of has changed, and keeps the focus in it. */
    private fill(from: unknown, make: () => void): void {
        const minute = Math.floor(Date.now() / 60_000);
        const key = JSON.stringify([from, this.model.session?.role, this.model.live, minute]);
        if (key === this.shown) {
            return;
        }
        this.shown = key;
        const focused = document.activeElement?.getAttribute("data-key");
        make();
        if (focused) {
            this.element.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
        }
    }

    /* ---- an instance ---- */

    private instance(instance: Instance, from: Connection[], to: Connection[]): void {
        const { live, known } = replicas(instance);
        this.subtitle.textContent = instance.removing
            ? "Being removed: its connections go first."
            : known === 0
              ? "No replica has joined yet"
              : `${live} of ${counted(known, "replica")} live`;
        const may = this.model.may("operator");
        this.body.replaceChildren(
            section(
                "Outbounds",
                instance.outbounds.length === 0
                    ? el("p", { class: "muted" }, "It has none.")
                    : el(
                          "ul",
                          { class: "ports" },
                          ...instance.outbounds.map((outbound) => {
                              const connection = from.find(
                                  (each) => each.outbound === outbound.name,
                              );
                              return el(
                                  "li",
                                  {},
                                  el(
                                      "div",
                                      { class: "port-head" },
                                      el("span", { class: "plug", "aria-hidden": "true" }),
                                      el("b", {}, outbound.name),
                                      outbound.required &&
                                          el("span", { class: "tag" }, "* required"),
                                      outbound.port !== null &&
                                          el("span", { class: "muted" }, `port ${outbound.port}`),
                                  ),
                                  connection
                                      ? this.wire(
                                            connection,
                                            connection.target_instance,
                                            connection.inbound,
                                        )
                                      : el(
                                            "div",
                                            { class: "wire free" },
                                            el(
                                                "span",
                                                { class: outbound.required ? "lacking" : "muted" },
                                                "not connected",
                                            ),
                                            may &&
                                                keyed(
                                                    `plug ${outbound.name}`,
                                                    button(
                                                        "Connect…",
                                                        () =>
                                                            this.actions.add(
                                                                instance.name,
                                                                outbound.name,
                                                            ),
                                                        {
                                                            kind: "small",
                                                            describe: `Connect ${instance.name} ${outbound.name}`,
                                                            testid: "panel-connect",
                                                        },
                                                    ),
                                                ),
                                        ),
                              );
                          }),
                      ),
            ),
            section(
                "Inbounds",
                instance.inbounds.length === 0
                    ? el("p", { class: "muted" }, "It has none.")
                    : el(
                          "ul",
                          { class: "ports" },
                          ...instance.inbounds.map((inbound) => {
                              const sources = to.filter((each) => each.inbound === inbound.name);
                              return el(
                                  "li",
                                  {},
                                  el(
                                      "div",
                                      { class: "port-head" },
                                      el("span", { class: "hub", "aria-hidden": "true" }),
                                      el("b", {}, inbound.name),
                                      el("span", { class: "muted" }, `port ${inbound.port}`),
                                      el(
                                          "span",
                                          { class: "muted" },
                                          counted(sources.length, "source"),
                                      ),
                                  ),
                                  ...sources.map((each) =>
                                      this.wire(
                                          each,
                                          each.source_instance,
                                          each.outbound + (each.outbound_required ? "\u00a0*" : ""),
                                      ),
                                  ),
                              );
                          }),
                      ),
            ),
            section(
                "Replicas",
                instance.replicas.length === 0
                    ? el(
                          "p",
                          { class: "muted" },
                          may
                              ? "None has joined. Create a join token to let one in."
                              : "None has joined.",
                      )
                    : el(
                          "ul",
                          { class: "replicas" },
                          ...instance.replicas.map((each) => this.replica(each)),
                      ),
            ),
        );
        this.foot.replaceChildren(
            ...[
                may &&
                    keyed(
                        "token",
                        button("Create join token", () => openToken(this.model, instance.name), {
                            icon: "key",
                            testid: "token-create",
                        }),
                    ),
                this.model.may("admin") &&
                    keyed(
                        "remove",
                        button("Remove", () => confirmRemoval(this.model, instance.name), {
                            icon: "trash",
                            kind: "quiet-danger",
                            testid: "instance-remove",
                            describe: `Remove instance ${instance.name}`,
                        }),
                    ),
            ].filter((each) => each !== false),
        );
        for (const each of this.foot.querySelectorAll("button")) {
            each.disabled = !this.model.live || instance.removing;
        }
    }

    private wire(connection: Connection, instance: string, name: string): HTMLElement {
        const link = el(
            "button",
            {
                type: "button",
                class: "wire",
                "data-key": connection.id,
                "aria-label": `${instance} ${name}, ${connection.status}: show the connection`,
                onclick: () => this.actions.select({ kind: "connection", id: connection.id }),
            },
            el("span", { class: "wire-end" }, el("b", {}, instance), ` ${name}`),
            badge(connection.status),
        );
        return link;
    }

    private replica(replica: Replica): HTMLElement {
        const now = Date.now();
        const nearness = certificate(replica.certificate_not_after, now);
        const left = replica.certificate_not_after
            ? duration((Date.parse(replica.certificate_not_after) - now) / 1000)
            : "";
        return el(
            "li",
            {},
            el(
                "div",
                { class: "port-head" },
                el("span", {
                    class: `dot is-${replica.live ? "ok" : "bad"}`,
                    "aria-hidden": "true",
                }),
                el("b", {}, replica.live ? "live" : `gone for ${age(replica.last_seen, now)}`),
                el("span", { class: "muted mono" }, replica.id),
            ),
            el(
                "dl",
                {},
                row("Tunnel", replica.address ?? "not known"),
                row("Version", replica.version ?? "not known"),
                row("Last seen", moment(replica.last_seen)),
                row(
                    "Certificate",
                    nearness === "unknown"
                        ? "not known"
                        : el(
                              "span",
                              {
                                  class:
                                      nearness === "fine"
                                          ? ""
                                          : nearness === "near"
                                            ? "is-wait"
                                            : "is-bad",
                                  title: moment(replica.certificate_not_after!),
                              },
                              nearness !== "fine" && icon("warn"),
                              nearness === "over"
                                  ? `expired ${moment(replica.certificate_not_after!)}: the replica needs a new join token`
                                  : nearness === "near"
                                    ? `ends in ${left}: it should have been renewed; see the sidecar's log`
                                    : `good for ${left}`,
                          ),
                ),
            ),
        );
    }

    /* ---- a connection ---- */

    private connection(connection: Connection): void {
        const advice = advise(connection);
        this.subtitle.replaceChildren(badge(connection.status));
        const end = (
            label: string,
            instance: string,
            name: string,
            required: boolean,
        ): HTMLElement =>
            row(
                label,
                el(
                    "button",
                    {
                        type: "button",
                        class: "link",
                        "data-key": label,
                        onclick: () => this.actions.select({ kind: "instance", name: instance }),
                    },
                    instance,
                ),
                " ",
                name,
                required && el("span", { class: "tag" }, "* required"),
            );
        this.body.replaceChildren(
            ...[
                advice &&
                    el(
                        "div",
                        { class: "advice", testid: "advice" },
                        icon("warn"),
                        el(
                            "div",
                            {},
                            el("b", {}, advice.title),
                            connection.detail !== null && el("p", {}, connection.detail),
                            el("p", { class: "muted" }, advice.next),
                            el(
                                "p",
                                { class: "muted" },
                                "Reason: ",
                                el("code", {}, connection.reason ?? "unknown"),
                                ". It is tried again by itself.",
                            ),
                        ),
                    ),
                !advice &&
                    connection.detail !== null &&
                    el("p", { class: "note" }, connection.detail),
                section(
                    "Connection",
                    el(
                        "dl",
                        {},
                        end(
                            "From",
                            connection.source_instance,
                            connection.outbound,
                            connection.outbound_required,
                        ),
                        end("To", connection.target_instance, connection.inbound, false),
                        row(
                            "Port",
                            connection.port === null ? "not known" : String(connection.port),
                        ),
                        row("Made", moment(connection.created_at)),
                        row("Id", el("span", { class: "mono" }, connection.id)),
                    ),
                ),
                section(
                    "Measured by",
                    connection.replicas.length === 0
                        ? el(
                              "p",
                              { class: "muted" },
                              `No live replica of ${connection.source_instance}.`,
                          )
                        : el(
                              "ul",
                              { class: "replicas" },
                              ...connection.replicas.map((each) =>
                                  el(
                                      "li",
                                      {},
                                      el(
                                          "div",
                                          { class: "port-head" },
                                          badge(each.status),
                                          el("span", { class: "muted mono" }, each.replica),
                                      ),
                                      each.detail !== null &&
                                          el("p", { class: "muted" }, each.detail),
                                  ),
                              ),
                          ),
                ),
            ].filter((each): each is HTMLElement => each instanceof HTMLElement),
        );
        const disconnect = keyed(
            "disconnect",
            button("Disconnect", () => confirmDisconnect(this.model, connection.id), {
                kind: "quiet-danger",
                icon: "close",
                testid: "panel-disconnect",
            }),
        );
        disconnect.disabled = !this.model.live || connection.status === "TERMINATED";
        this.foot.replaceChildren(...(this.model.may("operator") ? [disconnect] : []));
    }

    /* ---- traffic ---- */

    private showTraffic(parts: { each: Connection; out: boolean }[]): void {
        if (parts.length === 0) {
            this.traffic.replaceChildren();
            return;
        }
        const now = Date.now();
        const span = { from: now - SPAN_MS, to: now };
        /* Readings of several connections come at their own times: they are summed in slots. */
        const slot = 5_000;
        const sums = {
            sent: new Map<number, number>(),
            received: new Map<number, number>(),
        };
        let sent = 0;
        let received = 0;
        let streams = 0;
        const total = { sent: 0, received: 0 };
        for (const { each, out } of parts) {
            const flow = this.model.rate(each.id, now);
            sent += out ? flow.sent : flow.received;
            received += out ? flow.received : flow.sent;
            total.sent += out ? each.sent : each.received;
            total.received += out ? each.received : each.sent;
            streams += each.streams;
            const own = {
                sent: new Map<number, number>(),
                received: new Map<number, number>(),
            };
            for (const point of this.model.history(each.id)?.points(now, SPAN_MS) ?? []) {
                const time = Math.floor(point.time / slot) * slot;
                own.sent.set(time, out ? point.sent : point.received);
                own.received.set(time, out ? point.received : point.sent);
            }
            for (const kind of ["sent", "received"] as const) {
                own[kind].forEach((value, time) =>
                    sums[kind].set(time, (sums[kind].get(time) ?? 0) + value),
                );
            }
        }
        const series = (["sent", "received"] as const).map((kind) => ({
            kind,
            values: [...sums[kind]]
                .sort((a, b) => a[0] - b[0])
                .map(([time, value]) => ({ time, value })),
        }));
        const figure = (kind: string, label: string, now: number, all: number): HTMLElement =>
            el(
                "div",
                { class: "figure" },
                el("span", { class: `key ${kind}` }, label),
                el("b", {}, rate(now)),
                el("span", { class: "muted" }, `${bytes(all)} in all`),
            );
        this.traffic.replaceChildren(
            el(
                "div",
                { class: "figures" },
                figure("sent", "Sent", sent, total.sent),
                figure("received", "Received", received, total.received),
                el(
                    "div",
                    { class: "figure" },
                    el("span", { class: "key" }, "Streams"),
                    el("b", {}, String(streams)),
                    el("span", { class: "muted" }, "open now"),
                ),
            ),
            sparkline(
                series,
                span,
                `Traffic of the last 5 minutes: now ${rate(sent)} sent, ${rate(received)} received`,
            ),
            el(
                "div",
                { class: "axis muted", "aria-hidden": "true" },
                el("span", {}, "5 min ago"),
                el("span", {}, "now"),
            ),
        );
    }
}

/** What of a connection the panel's content is made of: not its counters. */
function bare(connection: Connection): Partial<Connection> {
    const { streams: _streams, sent: _sent, received: _received, ...rest } = connection;
    return rest;
}

/** Marks a control, so that the focus finds it again when the content is made anew. */
function keyed<T extends HTMLElement>(key: string, element: T): T {
    element.dataset["key"] = key;
    return element;
}
