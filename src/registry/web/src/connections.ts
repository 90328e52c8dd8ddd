/* "Manage connections": the list of all connections, to be searched, sorted, and cut. */

import { advise } from "./advice";
import type { Connection } from "./api";
import { confirmDisconnect } from "./confirm";
import { arrange, el, setText } from "./dom";
import { age, counted } from "./format";
import { columns, list, type Column, type Wish } from "./listing";
import type { Model } from "./model";
import { badge, button, openDialog, type Dialog } from "./widgets";

const titles: Record<Column, string> = {
    source: "Source",
    outbound: "Outbound",
    target: "Target",
    inbound: "Inbound",
    port: "Port",
    status: "State",
    age: "Age",
};

/** The list shows so many rows at first, and as many more each time it is asked to. */
const PAGE = 100;

export interface ConnectionsActions {
    add(then: (id: string) => void): void;
    show(id: string): void;
}

interface Row {
    element: HTMLTableRowElement;
    /** What of it changes. */
    status: HTMLElement;
    age: HTMLElement;
    port: HTMLElement;
    disconnect: HTMLButtonElement | null;
    shown: string;
}

let last: Pick<Wish, "column" | "descending"> = {
    column: "status",
    descending: false,
};

export function openConnections(
    model: Model,
    actions: ConnectionsActions,
    application = "",
): Dialog {
    const wish: Wish = { search: "", application, ...last };
    const rows = new Map<string, Row>();

    const search = el("input", {
        type: "search",
        placeholder: "Search",
        "aria-label": "Search connections",
        testid: "connections-search",
        oninput: () => {
            wish.search = search.value;
            refresh();
        },
    });
    const filter = el("select", {
        "aria-label": "Application",
        testid: "filter-application",
        onchange: () => {
            wish.application = filter.value;
            refresh();
        },
    });
    const sorters = new Map<Column, { cell: HTMLElement; arrow: HTMLElement }>();
    const head = el("tr", { role: "row" });
    for (const column of columns) {
        const arrow = el("span", { class: "sort-arrow", "aria-hidden": "true" });
        const cell = el(
            "th",
            { scope: "col", role: "columnheader", class: `col-${column}` },
            el(
                "button",
                {
                    type: "button",
                    class: "sort",
                    testid: `sort-${column}`,
                    onclick: () => {
                        wish.descending = wish.column === column && !wish.descending;
                        wish.column = column;
                        last = { column, descending: wish.descending };
                        refresh();
                    },
                },
                titles[column],
                arrow,
            ),
        );
        sorters.set(column, { cell, arrow });
        head.append(cell);
    }
    head.append(
        el("th", { scope: "col", role: "columnheader" }, el("span", { class: "sr" }, "Actions")),
    );
    const body = el("tbody", { role: "rowgroup" });
    const table = el(
        "table",
        { class: "connections", role: "table" },
        el("caption", { class: "sr" }, "Connections"),
        el("thead", { role: "rowgroup" }, head),
        body,
    );
    const count = el("p", { class: "muted count", role: "status" });
    const empty = el("div", { class: "empty" });
    let most = PAGE;
    const more = button(
        "Show more",
        () => {
            most += PAGE;
            refresh();
        },
        { kind: "more", testid: "connections-more" },
    );
    const add = button("Add connection", () => actions.add(reveal), {
        icon: "add",
        kind: "primary",
        testid: "connections-add",
    });

    const dialog = openDialog(
        "Manage connections",
        { testid: "connections-dialog", kind: "wide" },
        el("div", { class: "toolbar" }, search, filter, count, add),
        el(
            "div",
            {
                class: "table-box",
                tabindex: "0",
                role: "region",
                "aria-label": "Connections",
            },
            table,
            more,
            empty,
        ),
    );

    function refreshFilter(): void {
        const names = [...model.instances.keys()].sort();
        const wanted = ["", ...names];
        if (wanted.join() !== [...filter.options].map((option) => option.value).join()) {
            filter.replaceChildren(
                ...wanted.map((name) =>
                    el("option", { value: name }, name === "" ? "All applications" : name),
                ),
            );
            if (!wanted.includes(wish.application)) {
                wish.application = "";
            }
            filter.value = wish.application;
        }
    }

    function newRow(connection: Connection): Row {
        const status = el("div", { class: "status-cell" });
        const since = el("span", {
            title: new Date(connection.created_at).toLocaleString(),
        });
        const port = el("span");
        const name = `${connection.source_instance} ${connection.outbound} to ${connection.target_instance} ${connection.inbound}`;
        const disconnect = button("Disconnect", () => confirmDisconnect(model, connection.id), {
            kind: "small quiet-danger",
            testid: "disconnect",
            describe: `Disconnect ${name}`,
        });
        const cell = (column: Column, ...content: (Node | string)[]): HTMLElement =>
            el(
                "td",
                { role: "cell", class: `col-${column}`, "data-label": titles[column] },
                ...content,
            );
        const element = el(
            "tr",
            {
                role: "row",
                testid: "connection-row",
                "data-id": connection.id,
                "data-status": connection.status,
            },
            cell(
                "source",
                el(
                    "button",
                    {
                        type: "button",
                        class: "link strong",
                        "aria-label": `Show ${name}`,
                        onclick: () => {
                            dialog.close();
                            actions.show(connection.id);
                        },
                    },
                    connection.source_instance,
                ),
            ),
            cell(
                "outbound",
                el(
                    "span",
                    {},
                    connection.outbound,
                    connection.outbound_required &&
                        el("abbr", { class: "required", title: "required" }, " *"),
                ),
            ),
            cell("target", el("b", {}, connection.target_instance)),
            cell("inbound", connection.inbound),
            cell("port", port),
            cell("status", status),
            cell("age", since),
            el("td", { role: "cell", class: "col-action" }, disconnect),
        );
        return { element, status, age: since, port, disconnect, shown: "" };
    }

    function refresh(): void {
        refreshFilter();
        const all = list(model.connections.values(), wish);
        const now = Date.now();
        for (const id of rows.keys()) {
            if (!model.connections.has(id)) {
                rows.delete(id);
            }
        }
        const shown = all.slice(0, most).map((connection) => {
            let row = rows.get(connection.id);
            if (!row) {
                rows.set(connection.id, (row = newRow(connection)));
            }
            const advice = advise(connection);
            const key = `${connection.status} ${connection.reason} ${connection.detail}`;
            if (row.shown !== key) {
                row.shown = key;
                row.element.dataset["status"] = connection.status;
                row.status.replaceChildren(
                    badge(connection.status),
                    ...(connection.status === "FAILED"
                        ? [
                              el(
                                  "span",
                                  { class: "reason" },
                                  el("code", {}, connection.reason ?? ""),
                                  " ",
                                  connection.detail ?? "",
                              ),
                              ...(advice
                                  ? [el("span", { class: "reason muted" }, advice.next)]
                                  : []),
                          ]
                        : []),
                );
            }
            setText(row.age, age(connection.created_at, now));
            setText(row.port, connection.port === null ? "–" : String(connection.port));
            if (row.disconnect) {
                row.disconnect.hidden = !model.may("operator");
                row.disconnect.disabled = !model.live || connection.status === "TERMINATED";
            }
            return row.element;
        });
        arrange(body, shown);
        for (const [column, { cell, arrow }] of sorters) {
            const on = wish.column === column;
            cell.setAttribute(
                "aria-sort",
                on ? (wish.descending ? "descending" : "ascending") : "none",
            );
            setText(arrow, on ? (wish.descending ? "↓" : "↑") : "");
        }
        const total = model.connections.size;
        setText(
            count,
            (all.length === total
                ? counted(total, "connection")
                : `${all.length} of ${counted(total, "connection")}`) +
                (all.length > most ? `, ${most} shown` : ""),
        );
        more.hidden = all.length <= most;
        add.hidden = !model.may("operator");
        add.disabled = !model.live;
        table.hidden = shown.length === 0;
        empty.hidden = shown.length > 0;
        if (shown.length === 0) {
            empty.replaceChildren(
                ...(total > 0
                    ? [
                          el("p", {}, "No connection matches."),
                          el("p", { class: "muted" }, "Change the search or the application."),
                      ]
                    : [
                          el("p", {}, "Nothing is connected yet."),
                          el(
                              "p",
                              { class: "muted" },
                              model.may("operator")
                                  ? "Begin with “Add connection”, or drag in the drawing from an outbound, the circle at the right of an application, to an inbound, the square at the left of another."
                                  : "An operator connects the outbound of one application to the inbound of another.",
                          ),
                      ]),
            );
        }
    }

    function reveal(id: string): void {
        wish.search = search.value = "";
        wish.application = filter.value = "";
        refresh();
        const row = rows.get(id)?.element;
        row?.classList.add("fresh");
        row?.scrollIntoView({ block: "nearest" });
    }

    refresh();
    const stop = model.listen((change) => {
        if (change.all || change.shape || change.standing) {
            refresh();
        }
    });
    const timer = setInterval(refresh, 1000);
    void dialog.closed.then(() => {
        stop();
        clearInterval(timer);
    });
    search.focus();
    return dialog;
}
