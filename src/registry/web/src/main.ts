import "./style.css";
import * as api from "./api";
import { el } from "./dom";

const app = document.getElementById("app")!;

function takeCode(): string | null {
    const code = /^#code=([^&]+)$/.exec(location.hash)?.[1];
    if (code === undefined) {
        return null;
    }
    history.replaceState(null, "", location.pathname);
    return decodeURIComponent(code);
}

async function show(): Promise<void> {
    const [instances, connections] = await Promise.all([api.listInstances(), api.listConnections()]);
    app.replaceChildren(
        el("h1", {}, "appnet"),
        el("ul", {}, ...instances.map((instance) => el("li", {}, instance.name))),
        el(
            "ul",
            {},
            ...connections.map((c) =>
                el(
                    "li",
                    {},
                    `${c.source_instance} ${c.outbound} -> ${c.target_instance} ${c.inbound}: ${c.status}`,
                ),
            ),
        ),
    );
}

function askForToken(): void {
    const input = el("input", { type: "password", testid: "sign-in-token", "aria-label": "Token" });
    const problem = el("p", { role: "alert", testid: "sign-in-problem" });
    const form = el(
        "form",
        { testid: "sign-in" },
        input,
        el("button", { type: "submit", testid: "sign-in-submit" }, "Sign in"),
        problem,
    );
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        api.signIn({ token: input.value.trim() }).then(
            show,
            (error: Error) => (problem.textContent = error.message),
        );
    });
    app.replaceChildren(form);
}

async function start(): Promise<void> {
    const code = takeCode();
    if (code !== null) {
        await api.signIn({ code }).catch(() => undefined);
    }
    await ((await api.session()) ? show() : askForToken());
}

void start();
