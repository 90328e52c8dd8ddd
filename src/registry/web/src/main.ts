/* The page: puts the parts together, and says what happens when. */

import "./style.css";
import * as api from "./api";
import { openAdd, type Filled } from "./add";
import { openConnections } from "./connections";
import { el, setText } from "./dom";
import { Follower } from "./events";
import { clock, counted } from "./format";
import { Graph, type Selection } from "./graph";
import { icon } from "./icons";
import { InstanceList } from "./instances";
import { Model } from "./model";
import { Panel } from "./panel";
import { askToSignIn, takeCode } from "./signin";
import { setTheme, startTheme, theme, type Theme } from "./theme";
import { openToken } from "./tokens";
import { button, toast } from "./widgets";

const code = takeCode();
startTheme();

const model = new Model();
const follower = new Follower(model);
let selection: Selection = null;

/* ---- what there is to see ---- */

const connectionsButton = button("Connections", () => manage(), {
    icon: "wire",
    testid: "open-connections",
    describe: "Manage connections",
});
const addButton = button("Add connection", () => add({}), {
    icon: "add",
    kind: "primary",
    testid: "open-add",
    describe: "Add connection",
});
const themes: Record<Theme, { next: Theme; icon: "auto" | "sun" | "moon"; label: string }> = {
    auto: {
        next: "light",
        icon: "auto",
        label: "Colours: as the system. Change to light",
    },
    light: { next: "dark", icon: "sun", label: "Colours: light. Change to dark" },
    dark: {
        next: "auto",
        icon: "moon",
        label: "Colours: dark. Change to the system's",
    },
};
const themeButton = button("Colours", () => changeTheme(themes[theme()].next), {
    icon: "auto",
    bare: true,
    testid: "theme",
});
const signOutButton = button("Sign out", () => void leave(), {
    icon: "out",
    bare: true,
    testid: "sign-out",
});
const role = el("span", { class: "role", testid: "role" });
const domain = el("span", { class: "domain" });
const live = el("span", { class: "live-text" });
const status = el(
    "div",
    { class: "live", testid: "status-live", role: "status" },
    el("span", { class: "live-dot", "aria-hidden": "true" }),
    live,
);
const search = el("input", {
    type: "search",
    placeholder: "Search applications",
    "aria-label": "Search applications",
    testid: "search",
    oninput: () => showList(),
});
const listButton = button("Applications", () => toggleList(), {
    icon: "list",
    bare: true,
    testid: "toggle-list",
});
const newButton = button("New application…", () => openToken(model, null), {
    icon: "key",
    kind: "small",
    testid: "new-application",
});
const list = new InstanceList(model, (name) => select({ kind: "instance", name }, true), newButton);
const panel = new Panel(model, {
    select: (wanted) => select(wanted, true),
    add: (source, outbound) => add({ source, outbound }),
});
const container = el("div", {
    class: "graph",
    testid: "graph",
    role: "img",
    "aria-label":
        "Drawing of the applications and their connections. The list of applications and the list of connections hold all of it.",
});
const empty = el("div", { class: "graph-empty", hidden: true });
const legend = el(
    "div",
    { class: "legend", "aria-hidden": "true" },
    ...(["established", "waiting", "failed"] as const).map((name) =>
        el("span", { class: `legend-item is-${name}` }, el("i", {}), name),
    ),
);
const main = el(
    "main",
    { class: "stage", "aria-label": "Deployment" },
    container,
    empty,
    legend,
    el(
        "div",
        { class: "tools", role: "toolbar", "aria-label": "Drawing" },
        button("Zoom in", () => graph.zoomBy(1.3), {
            icon: "add",
            bare: true,
            testid: "zoom-in",
        }),
        button("Zoom out", () => graph.zoomBy(1 / 1.3), {
            icon: "minus",
            bare: true,
            testid: "zoom-out",
        }),
        button("Fit everything", () => graph.fit(), {
            icon: "fit",
            bare: true,
            testid: "fit",
        }),
        button("Arrange anew", () => graph.arrange(), {
            icon: "arrange",
            bare: true,
            testid: "arrange",
        }),
    ),
);
const app = document.getElementById("app")!;
app.append(
    el("a", { class: "skip", href: "#sidebar" }, "To the list of applications"),
    el(
        "header",
        { class: "top" },
        listButton,
        el("h1", {}, icon("plug"), "appnet"),
        domain,
        status,
        el("div", { class: "search" }, icon("search"), search),
        el(
            "div",
            { class: "top-actions" },
            connectionsButton,
            addButton,
            themeButton,
            role,
            signOutButton,
        ),
    ),
    el("div", { class: "work" }, list.element, main, panel.element),
);
const graph = new Graph(container, model, {
    select: (wanted) => select(wanted, false),
    plug: (source, outbound, target, inbound) => add({ source, outbound, target, inbound }),
    mayPlug: () => model.live && model.may("operator"),
});

/* ---- what can be done ---- */

function select(wanted: Selection, byKeyboard: boolean): void {
    selection = wanted;
    panel.show(wanted, byKeyboard);
    graph.select(wanted);
    if (wanted?.kind === "instance" && byKeyboard) {
        graph.reveal(wanted.name);
        app.classList.remove("list-open");
        listButton.setAttribute("aria-expanded", "false");
    }
    showList();
}

function add(filled: Filled, then?: (id: string) => void): void {
    openAdd(model, filled, then ?? ((id) => select({ kind: "connection", id }, false)));
}

function manage(): void {
    openConnections(model, {
        add: (then) => add({}, then),
        show: (id) => select({ kind: "connection", id }, true),
    });
}

function changeTheme(to: Theme): void {
    setTheme(to);
    const { icon: picture, label } = themes[to];
    themeButton.replaceChildren(icon(picture));
    themeButton.setAttribute("aria-label", label);
    themeButton.title = label;
}

function toggleList(): void {
    const open = app.classList.toggle("list-open");
    listButton.setAttribute("aria-expanded", String(open));
}

async function leave(): Promise<void> {
    try {
        await api.signOut();
        follower.stop();
        location.reload();
    } catch {
        toast("The registry does not answer: you are still signed in.");
    }
}

/* ---- what is shown ---- */

function showList(): void {
    graph.find(list.update(search.value, selection));
}

function showStanding(): void {
    const { session } = model;
    const since = model.lastLive === 0 ? "" : `, last seen ${clock(model.lastLive)}`;
    setText(live, model.live ? "Live" : session ? `Offline${since}` : "Signed out");
    app.classList.toggle("offline", !model.live);
    status.classList.toggle("is-live", model.live);
    setText(domain, session?.trust_domain ?? "");
    setText(role, session?.role ?? "");
    role.hidden = signOutButton.hidden = connectionsButton.hidden = !session;
    app.classList.toggle("signed-out", !session);
    addButton.hidden = newButton.hidden = !model.may("operator");
    addButton.disabled = newButton.disabled = !model.live;
    document.title = `${model.live ? "" : "Offline · "}${session ? `${session.trust_domain} · ` : ""}appnet`;
}

function showEmpty(): void {
    const none = model.lastLive > 0 && model.instances.size === 0;
    empty.hidden = !none;
    legend.hidden = none || model.instances.size === 0;
    if (none && empty.childElementCount === 0) {
        empty.append(
            icon("plug"),
            el("h2", {}, "No application has joined yet"),
            el(
                "p",
                { class: "muted" },
                "An application joins by a sidecar beside it, with a join token that lets it in. It appears here as soon as it has.",
            ),
        );
    }
}

/** Reads out what became of connections, and says it for a while. */
const known = new Map<string, { status: string; name: string }>();
function announce(all: boolean, ids: ReadonlySet<string>): void {
    for (const id of all ? model.connections.keys() : ids) {
        const connection = model.connections.get(id);
        const before = known.get(id);
        if (!connection) {
            known.delete(id);
            if (before?.status === "TERMINATED") {
                toast(`${before.name} is disconnected`);
            }
            continue;
        }
        const name = `${connection.source_instance} ${connection.outbound}`;
        known.set(id, { status: connection.status, name });
        if (!all && before && before.status !== connection.status) {
            if (connection.status === "ESTABLISHED") {
                toast(
                    `${name} is connected to ${connection.target_instance} ${connection.inbound}`,
                );
            } else if (connection.status === "FAILED") {
                toast(
                    `${name} failed: ${connection.detail ?? connection.reason ?? "no reason is known"}`,
                );
            }
        }
    }
}

let planned = false;
model.listen((change) => {
    if (change.standing) {
        showStanding();
    }
    graph.update(change);
    announce(change.all, change.connections);
    if ((change.all || change.shape || change.standing) && !planned) {
        planned = true;
        requestAnimationFrame(() => {
            planned = false;
            showList();
            showEmpty();
            setText(connectionsCount, counted(model.connections.size, "connection"));
            panel.refresh();
        });
    }
});
const connectionsCount = el("span", { class: "sr" });
connectionsButton.append(connectionsCount);
setInterval(() => panel.refresh(), 1000);

/* ---- coming in ---- */

function signInAgain(why?: unknown): void {
    follower.stop();
    model.setLive(false, Date.now());
    askToSignIn(() => void enter(), why);
}

async function enter(): Promise<void> {
    try {
        const session = await api.session();
        if (session) {
            model.setSession(session);
            follower.start();
        } else {
            signInAgain();
        }
    } catch {
        model.setLive(false, Date.now());
        setTimeout(() => void enter(), 2000);
    }
}

async function start(): Promise<void> {
    let refused: unknown;
    if (code !== null) {
        await api.signIn({ code }).catch((error: unknown) => (refused = error));
    }
    if (refused !== undefined && (await api.session().catch(() => null)) === null) {
        signInAgain(refused);
        return;
    }
    await enter();
}

api.whenUnauthenticated(() => signInAgain());
follower.onSignedOut = () => signInAgain();
changeTheme(theme());
showStanding();
void start();

declare global {
    interface Window {
        /** For tests, read-only: where in the window things are drawn, and when the drawing stands still. */
        appnet: Readonly<Pick<Graph, "at" | "edgeAt" | "settled">>;
    }
}
window.appnet = Object.freeze({
    at: graph.at.bind(graph),
    edgeAt: graph.edgeAt.bind(graph),
    settled: graph.settled.bind(graph),
});
