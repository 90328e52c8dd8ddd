/* Draws what the graph library does not: the cards of instances with their ports, and the labels of wires. */

import type { Health } from "./advice";
import type { Status } from "./api";
import { CARD_WIDTH, HEAD_HEIGHT, bends, type Card, type Point } from "./geometry";
import type { Palette } from "./theme";

export interface CardLook {
    card: Card;
    /** Its middle. */
    place: Point;
    health: Health;
    note: string;
    selected: boolean;
    dim: boolean;
    /** A wire is held over it: whether it may be put there. */
    target: "yes" | "no" | null;
}

export interface LabelLook {
    middle: Point;
    status: Status;
    text: string;
    dim: boolean;
}

export interface WireLook {
    from: Point;
    to: Point;
    allowed: boolean;
    reason: string | null;
}

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';
const widths = new Map<string, string>();

/** Text that fits, with an ellipsis where it was cut. */
function fitted(context: CanvasRenderingContext2D, text: string, width: number): string {
    const key = `${context.font}|${width}|${text}`;
    let result = widths.get(key);
    if (result === undefined) {
        result = text;
        if (context.measureText(text).width > width) {
            let low = 0;
            let high = text.length;
            while (low < high) {
                const middle = (low + high + 1) >> 1;
                if (context.measureText(`${text.slice(0, middle)}…`).width <= width) {
                    low = middle;
                } else {
                    high = middle - 1;
                }
            }
            result = `${text.slice(0, low)}…`;
        }
        if (widths.size > 20_000) {
            widths.clear();
        }
        widths.set(key, result);
    }
    return result;
}

export const colourOf: Record<Status, keyof Palette> = {
    ESTABLISHED: "ok",
    WAITING: "wait",
    FAILED: "bad",
    TERMINATED: "gone",
};

/** The sign of a state, so that colour is never alone: a tick, three dots, an exclamation mark, a cross. */
function sign(context: CanvasRenderingContext2D, status: Status, at: Point, size: number): void {
    const { x, y } = at;
    context.lineWidth = size * 0.28;
    context.lineCap = "round";
    context.lineJoin = "round";
    context.beginPath();
    if (status === "ESTABLISHED") {
        context.moveTo(x - size * 0.5, y);
        context.lineTo(x - size * 0.12, y + size * 0.4);
        context.lineTo(x + size * 0.55, y - size * 0.42);
    } else if (status === "WAITING") {
        for (const shift of [-0.55, 0, 0.55]) {
            context.moveTo(x + size * shift, y);
            context.lineTo(x + size * shift, y + 0.01);
        }
    } else if (status === "FAILED") {
        context.moveTo(x, y - size * 0.55);
        context.lineTo(x, y + size * 0.1);
        context.moveTo(x, y + size * 0.55);
        context.lineTo(x, y + size * 0.56);
    } else {
        context.moveTo(x - size * 0.42, y - size * 0.42);
        context.lineTo(x + size * 0.42, y + size * 0.42);
        context.moveTo(x + size * 0.42, y - size * 0.42);
        context.lineTo(x - size * 0.42, y + size * 0.42);
    }
    context.stroke();
}

export class Painter {
    private readonly context: CanvasRenderingContext2D;

    constructor(
        private readonly canvas: HTMLCanvasElement,
        public palette: Palette,
    ) {
        this.context = canvas.getContext("2d")!;
    }

    /** Begins a frame. What follows is in units of the drawing. */
    begin(zoom: number, pan: Point, width: number, height: number): void {
        const ratio = window.devicePixelRatio || 1;
        const w = Math.round(width * ratio);
        const h = Math.round(height * ratio);
        if (this.canvas.width !== w || this.canvas.height !== h) {
            this.canvas.width = w;
            this.canvas.height = h;
        }
        this.context.setTransform(1, 0, 0, 1, 0, 0);
        this.context.clearRect(0, 0, w, h);
        this.context.setTransform(ratio * zoom, 0, 0, ratio * zoom, ratio * pan.x, ratio * pan.y);
    }

    card(look: CardLook, zoom: number): void {
        const c = this.context;
        const p = this.palette;
        const { card, place } = look;
        const left = place.x - card.width / 2;
        const top = place.y - card.height / 2;
        c.globalAlpha = look.dim ? 0.28 : 1;

        if (zoom < 0.16) {
            /* From so far away: where it is, and whether it is well. */
            c.fillStyle = p.card;
            c.fillRect(left, top, card.width, card.height);
            c.fillStyle = p[look.health];
            c.fillRect(left, top, 28, card.height);
            c.strokeStyle = look.selected ? p.accent : p["card-border"];
            c.lineWidth = (look.selected ? 3 : 1) / zoom;
            c.strokeRect(left, top, card.width, card.height);
            c.globalAlpha = 1;
            return;
        }

        const detailed = zoom >= 0.42;
        if (detailed && !look.dim) {
            c.shadowColor = "rgba(10, 16, 32, 0.13)";
            c.shadowBlur = 10 * zoom;
            c.shadowOffsetY = 2 * zoom;
        }
        c.beginPath();
        c.roundRect(left, top, card.width, card.height, 10);
        c.fillStyle = p.card;
        c.fill();
        c.shadowColor = "transparent";
        const strong = look.selected || look.target !== null;
        c.lineWidth = strong ? Math.max(2, 1.6 / zoom) : Math.max(1, 0.7 / zoom);
        c.strokeStyle =
            look.target === "yes"
                ? p.ok
                : look.target === "no"
                  ? p.bad
                  : look.selected
                    ? p.accent
                    : p["card-border"];
        c.stroke();

        c.textBaseline = "middle";
        c.textAlign = "left";
        c.fillStyle = p.text;
        if (!detailed) {
            c.font = `600 26px ${FONT}`;
            c.fillText(fitted(c, card.name, card.width - 50), left + 38, top + HEAD_HEIGHT / 2 + 4);
            this.dot({ x: left + 20, y: top + HEAD_HEIGHT / 2 + 2 }, 9, look.health);
        } else {
            c.font = `600 13.5px ${FONT}`;
            c.fillText(fitted(c, card.name, card.width - 28), left + 14, top + 17);
            this.dot({ x: left + 18.5, y: top + 34 }, 4, look.health);
            c.font = `11px ${FONT}`;
            c.fillStyle = p.muted;
            c.fillText(fitted(c, look.note, card.width - 44), left + 28, top + 34.5);
            if (card.ports.length > 0) {
                c.strokeStyle = p["card-border"];
                c.lineWidth = 1;
                c.beginPath();
                c.moveTo(left, top + HEAD_HEIGHT + 0.5);
                c.lineTo(left + card.width, top + HEAD_HEIGHT + 0.5);
                c.globalAlpha *= 0.7;
                c.stroke();
                c.globalAlpha = look.dim ? 0.28 : 1;
            }
        }
        this.ports(look, detailed);
        c.globalAlpha = 1;
    }

    private dot(at: Point, radius: number, health: Health): void {
        const c = this.context;
        c.fillStyle = c.strokeStyle = this.palette[health];
        c.lineWidth = radius * 0.45;
        c.beginPath();
        if (health === "ok") {
            c.arc(at.x, at.y, radius, 0, 7);
            c.fill();
        } else if (health === "wait") {
            c.arc(at.x, at.y, radius * 0.85, 0, 7);
            c.stroke();
        } else if (health === "bad") {
            /* A triangle. */
            c.moveTo(at.x, at.y - radius * 1.15);
            c.lineTo(at.x + radius * 1.15, at.y + radius * 0.9);
            c.lineTo(at.x - radius * 1.15, at.y + radius * 0.9);
            c.closePath();
            c.fill();
        } else {
            c.rect(at.x - radius, at.y - radius * 0.22, radius * 2, radius * 0.45);
            c.fill();
        }
    }

    /** A hub is a square at the left, a plug a circle at the right; filled when it is connected. */
    private ports(look: CardLook, detailed: boolean): void {
        const c = this.context;
        const p = this.palette;
        c.font = `11.5px ${FONT}`;
        for (const port of look.card.ports) {
            const x = look.place.x + port.at.x;
            const y = look.place.y + port.at.y;
            const hub = port.side === "inbound";
            c.beginPath();
            if (hub) {
                c.roundRect(x - 5, y - 5, 10, 10, 2.5);
            } else {
                c.arc(x, y, 5.5, 0, 7);
            }
            c.fillStyle = port.connected ? p.accent : p.card;
            c.fill();
            c.lineWidth = 1.6;
            c.strokeStyle = port.required && !port.connected ? p.bad : p.accent;
            c.stroke();
            if (detailed) {
                c.textAlign = hub ? "left" : "right";
                c.fillStyle = port.required && !port.connected ? p.bad : p.text;
                const name =
                    fitted(c, port.name, CARD_WIDTH / 2 - 24) + (port.required ? " *" : "");
                c.fillText(name, x + (hub ? 13 : -13), y + 0.5);
            }
        }
    }

    /** The label of a wire, or its sign alone from further away. */
    label(look: LabelLook, zoom: number, full: boolean): void {
        const c = this.context;
        const p = this.palette;
        const { x, y } = look.middle;
        const colour = p[colourOf[look.status]];
        c.globalAlpha = look.dim ? 0.25 : 1;
        if (!full) {
            const radius = Math.max(9, 6.5 / zoom);
            c.beginPath();
            c.arc(x, y, radius, 0, 7);
            c.fillStyle = colour;
            c.fill();
            c.strokeStyle = p.card;
            sign(c, look.status, look.middle, radius * 0.85);
            c.globalAlpha = 1;
            return;
        }
        c.font = `600 10.5px ${FONT}`;
        c.textAlign = "left";
        c.textBaseline = "middle";
        const width = c.measureText(look.text).width + 29;
        c.beginPath();
        c.roundRect(x - width / 2, y - 10, width, 20, 10);
        c.fillStyle = p.pill;
        c.fill();
        c.strokeStyle = colour;
        c.lineWidth = 1.2;
        c.stroke();
        c.beginPath();
        c.arc(x - width / 2 + 10, y, 6.5, 0, 7);
        c.fillStyle = colour;
        c.fill();
        c.strokeStyle = p.pill;
        sign(c, look.status, { x: x - width / 2 + 10, y }, 5.6);
        c.fillStyle = colour;
        c.fillText(look.text, x - width / 2 + 20, y + 0.5);
        c.globalAlpha = 1;
    }

    /** A wire that is being held. */
    wire(look: WireLook, zoom: number): void {
        const c = this.context;
        const p = this.palette;
        const [a, b] = bends(look.from, look.to) as [Point, Point];
        const colour = look.reason !== null ? p.bad : look.allowed ? p.ok : p.accent;
        c.beginPath();
        c.moveTo(look.from.x, look.from.y);
        c.bezierCurveTo(a.x, a.y, b.x, b.y, look.to.x, look.to.y);
        c.strokeStyle = colour;
        c.lineWidth = Math.max(2.5, 2 / zoom);
        c.setLineDash(look.allowed ? [] : [7, 5]);
        c.stroke();
        c.setLineDash([]);
        c.beginPath();
        c.arc(look.to.x, look.to.y, 5 / Math.min(zoom, 1), 0, 7);
        c.fillStyle = colour;
        c.fill();
        if (look.reason !== null) {
            const scale = 1 / zoom;
            c.font = `${12 * scale}px ${FONT}`;
            c.textAlign = "left";
            c.textBaseline = "middle";
            const width = c.measureText(look.reason).width + 16 * scale;
            c.beginPath();
            c.roundRect(
                look.to.x + 14 * scale,
                look.to.y - 12 * scale,
                width,
                24 * scale,
                6 * scale,
            );
            c.fillStyle = p.pill;
            c.fill();
            c.strokeStyle = p.bad;
            c.lineWidth = scale;
            c.stroke();
            c.fillStyle = p.bad;
            c.fillText(look.reason, look.to.x + 22 * scale, look.to.y);
        }
    }
}
