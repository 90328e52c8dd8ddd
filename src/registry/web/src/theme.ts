/* Light or dark: as the system says, unless a person has chosen. The colours themselves are in style.css. */

export type Theme = "auto" | "light" | "dark";

const KEY = "appnet.theme";
const listeners = new Set<() => void>();

export function theme(): Theme {
    const value = document.documentElement.dataset["theme"];
    return value === "light" || value === "dark" ? value : "auto";
}

export function setTheme(value: Theme): void {
    if (value === "auto") {
        delete document.documentElement.dataset["theme"];
    } else {
        document.documentElement.dataset["theme"] = value;
    }
    try {
        localStorage.setItem(KEY, value);
    } catch {
        /* It lasts as long as the page, then. */
    }
    listeners.forEach((listener) => listener());
}

/** Takes up what was chosen before. */
export function startTheme(): void {
    let kept: string | null = null;
    try {
        kept = localStorage.getItem(KEY);
    } catch {
        /* Not allowed to know. */
    }
    setTheme(kept === "light" || kept === "dark" ? kept : "auto");
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
        listeners.forEach((listener) => listener()),
    );
}

export function whenThemeChanges(listener: () => void): void {
    listeners.add(listener);
}

const names = [
    "canvas",
    "card",
    "card-border",
    "text",
    "muted",
    "accent",
    "ok",
    "wait",
    "bad",
    "gone",
    "pill",
    "grid",
] as const;
export type Palette = Record<(typeof names)[number], string>;

/** The colours as the drawing needs them: resolved for the theme that is on. */
export function palette(): Palette {
    const probe = document.createElement("span");
    document.body.append(probe);
    const resolved = names.map((name) => {
        probe.style.color = `var(--${name})`;
        return [name, getComputedStyle(probe).color];
    });
    probe.remove();
    return Object.fromEntries(resolved) as Palette;
}

export function prefersStillness(): boolean {
    return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
