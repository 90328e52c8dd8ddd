/*
 * The drawing of the deployment: cards and wires that can be moved, zoomed, chosen and plugged together.
 * cytoscape holds the graph, draws the wires, and knows what is under the pointer; the cards and labels are
 * drawn above it by paint.ts. Everything that can be done here can be done by the lists and the panel, too.
 */

import cytoscape from "cytoscape";
import type { Connection, Status } from "./api";
import { health, states, type Health } from "./advice";
import { rate } from "./format";
import {
    bendsAlong,
    cardOf,
    portAt,
    wireEnd,
    wireWidth,
    type Card,
    type Point,
    type Port,
} from "./geometry";
import { layOut, placeNear, type Box, type Wire } from "./layout";
import type { Change, Model } from "./model";
import { colourOf, Painter } from "./paint";
import { forgetPositions, loadPositions, savePositions } from "./positions";
import { forbidsWire } from "./rules";
import { palette, prefersStillness, whenThemeChanges } from "./theme";

export type Selection =
    { kind: "instance"; name: string } | { kind: "connection"; id: string } | null;

export interface Actions {
    select(selection: Selection): void;
    /** A wire was put on an instance; on one of its inbounds, if that is certain. */
    plug(source: string, outbound: string, target: string, inbound: string): void;
    mayPlug(): boolean;
}

interface HeldWire {
    source: string;
    port: Port;
    to: Point;
    over: string | null;
    inbound: string | null;
    reason: string | null;
}

/** More wires than this: no highlighting under a pointer that only passes by, and coarser movement. */
const MANY = 600;
const statuses: Status[] = ["WAITING", "ESTABLISHED", "FAILED", "TERMINATED"];

/* The library's ids are never empty, and those of nodes and edges differ, whatever the registry's names are. */
const nodeId = (name: string): string => `i:${name}`;
const edgeId = (id: string): string => `c:${id}`;
const nameOf = (element: { id(): string }): string => element.id().slice(2);

function chosen(element: cytoscape.SingularElementReturnValue): Selection {
    const name = nameOf(element as cytoscape.NodeSingular);
    return element.group() === "nodes"
        ? { kind: "instance", name }
        : { kind: "connection", id: name };
}

export class Graph {
    private readonly host: HTMLElement;
    private readonly overlay: HTMLCanvasElement;
    private readonly painter: Painter;
    private cy: cytoscape.Core | null = null;
    private readonly cards = new Map<string, Card>();
    private readonly health = new Map<string, { health: Health; note: string }>();
    private selection: Selection = null;
    private hovered: Selection = null;
    private found: ReadonlySet<string> | null = null;
    private lit: { nodes: Set<string>; edges: Set<string> } | null = null;
    private wire: HeldWire | null = null;
    /** Nobody has moved the view: it follows what comes. */
    private following = true;
    /** Somebody has moved cards: they stay where they are. */
    private arranged = false;
    private moving: Promise<void> = Promise.resolve();
    private frame = 0;
    /** Where long wires pass between cards, until one of their ends is moved by hand. */
    private lanes = new Map<string, Point[]>();
    private kept = new Map<string, Point>();
    private planned = false;
    private second = 0;
    private grabbing = false;

    constructor(
        private readonly container: HTMLElement,
        private readonly model: Model,
        private readonly actions: Actions,
    ) {
        this.host = document.createElement("div");
        this.host.className = "graph-host";
        this.overlay = document.createElement("canvas");
        this.overlay.className = "graph-overlay";
        container.append(this.host, this.overlay);
        this.painter = new Painter(this.overlay, palette());
        container.dataset["nodes"] = container.dataset["edges"] = "0";
        whenThemeChanges(() => {
            this.painter.palette = palette();
            this.cy?.style(this.styles());
            this.redraw();
        });
        new ResizeObserver(() => {
            this.cy?.resize();
            if (this.following) {
                this.fit();
            }
            this.redraw();
        }).observe(container);
        container.addEventListener("pointerleave", () => this.hover(null));
        container.addEventListener("pointerdown", (event) => this.maybeTakePort(event), true);
        /* What follows a pointerdown on a port is not the library's. */
        for (const name of ["mousedown", "touchstart"]) {
            container.addEventListener(name, (event) => this.wire && event.stopPropagation(), {
                capture: true,
                passive: true,
            });
        }
        setInterval(() => this.followTraffic(), 1000);
    }

    /* ---- from the model ---- */

    /** Takes up what has changed, at the next frame: many changes in a moment are one. */
    update(change: Change): void {
        if ((change.all || change.shape) && !this.planned) {
            this.planned = true;
            requestAnimationFrame(() => {
                this.planned = false;
                this.follow();
            });
        }
    }

    private follow(): void {
        const first = this.cy === null;
        const cy = this.begin();
        const newcomers: string[] = [];
        let anew = false;
        let whole = false;
        cy.batch(() => {
            this.takeNodes(cy, newcomers);
            if (first) {
                this.kept = loadPositions(this.model.session?.trust_domain ?? "");
                this.arranged = this.kept.size > 0;
            }
            anew = !this.arranged && this.following && !this.wire && !this.grabbing;
            whole = anew && newcomers.length > 0 && newcomers.length === this.cards.size;
            if (whole) {
                const { places, lanes } = layOut(this.boxes(), this.wires(), this.aspect());
                this.lanes = lanes;
                places.forEach((place, name) => cy.getElementById(nodeId(name)).position(place));
            } else if (newcomers.length > 0) {
                this.place(cy, newcomers);
            }
            const grown = this.takeEdges(cy);
            anew &&= grown || newcomers.length > 0;
        });
        if (whole || (newcomers.length > 0 && this.following && !anew)) {
            this.fit();
        } else if (anew) {
            this.layOutAnew(cy, new Set(newcomers));
        }
        this.container.dataset["nodes"] = String(cy.nodes().length);
        this.container.dataset["edges"] = String(cy.edges().length);
        this.light();
        this.redraw();
    }

    private takeNodes(cy: cytoscape.Core, newcomers: string[]): void {
        cy.nodes().forEach((node) => {
            if (!this.model.instances.has(nameOf(node))) {
                this.cards.delete(nameOf(node));
                this.health.delete(nameOf(node));
                node.remove();
            }
        });
        const fresh: cytoscape.ElementDefinition[] = [];
        for (const instance of this.model.instances.values()) {
            const card = cardOf(instance);
            const old = this.cards.get(instance.name);
            this.cards.set(instance.name, card);
            this.health.set(instance.name, health(instance, this.model.connections));
            if (!old) {
                newcomers.push(instance.name);
                fresh.push({
                    group: "nodes",
                    data: { id: nodeId(instance.name), w: card.width, h: card.height },
                });
            } else if (old.height !== card.height) {
                cy.getElementById(nodeId(instance.name)).data({
                    w: card.width,
                    h: card.height,
                });
            }
        }
        cy.add(fresh);
    }

    /** Returns whether there are wires that were not there. */
    private takeEdges(cy: cytoscape.Core): boolean {
        cy.edges().forEach((edge) => {
            if (!this.model.connections.has(nameOf(edge))) {
                edge.remove();
            }
        });
        const now = Date.now();
        const fresh: cytoscape.ElementDefinition[] = [];
        for (const connection of this.model.connections.values()) {
            const source = this.cards.get(connection.source_instance);
            const target = this.cards.get(connection.target_instance);
            if (!source || !target) {
                continue; /* The instance is told of next. */
            }
            const from = wireEnd(source, "outbound", connection.outbound);
            const to = wireEnd(target, "inbound", connection.inbound);
            const edge = cy.getElementById(edgeId(connection.id));
            if (edge.empty()) {
                fresh.push({
                    group: "edges",
                    data: {
                        id: edgeId(connection.id),
                        source: nodeId(connection.source_instance),
                        target: nodeId(connection.target_instance),
                        ...this.curve(cy, connection, from, to),
                        from,
                        to,
                        width: wireWidth(this.flow(connection.id, now)),
                        status: connection.status,
                    },
                });
            } else {
                const old = edge.data() as { from: Point; to: Point; status: Status };
                if (old.status !== connection.status) {
                    edge.data("status", connection.status);
                }
                if (
                    old.from.y !== from.y ||
                    old.to.y !== to.y ||
                    old.from.x !== from.x ||
                    old.to.x !== to.x
                ) {
                    edge.data({
                        from,
                        to,
                        ...this.curve(cy, connection, from, to),
                    });
                }
            }
        }
        cy.add(fresh);
        return fresh.length > 0;
    }

    private flow(id: string, now: number): number {
        const { sent, received } = this.model.rate(id, now);
        return sent + received;
    }

    /** How the wire is bent, from where its cards are now; `from` and `to` are from their middles. */
    private curve(
        cy: cytoscape.Core,
        wire: { id: string; source_instance: string; target_instance: string },
        from: Point,
        to: Point,
    ): { weights: number[]; distances: number[] } {
        const a = cy.getElementById(nodeId(wire.source_instance)).position();
        const b = cy.getElementById(nodeId(wire.target_instance)).position();
        return bendsAlong(
            { x: a.x + from.x, y: a.y + from.y },
            { x: b.x + to.x, y: b.y + to.y },
            this.lanes.get(wire.id),
        );
    }

    /** Wires are as thick as what flows on them; the labels say it. */
    private followTraffic(): void {
        const cy = this.cy;
        this.second++;
        const pause = this.model.connections.size > MANY ? 5 : 1;
        if (!cy || document.hidden || this.second % pause !== 0 || this.grabbing) {
            return;
        }
        const now = Date.now();
        cy.batch(() =>
            cy.edges().forEach((edge) => {
                const width = wireWidth(this.flow(nameOf(edge), now));
                if (Math.abs((edge.data("width") as number) - width) > 0.4) {
                    edge.data("width", width);
                }
            }),
        );
        this.redraw();
    }

    /* ---- where things are ---- */

    private boxes(): Box[] {
        return [...this.cards.values()];
    }

    private wires(): Wire[] {
        return [...this.model.connections.values()].flatMap((each) => {
            const source = this.cards.get(each.source_instance);
            const target = this.cards.get(each.target_instance);
            return source && target
                ? [
                      {
                          id: each.id,
                          from: source.name,
                          to: target.name,
                          fromY: wireEnd(source, "outbound", each.outbound).y,
                          toY: wireEnd(target, "inbound", each.inbound).y,
                      },
                  ]
                : [];
        });
    }

    private aspect(): number {
        return this.container.clientWidth / Math.max(1, this.container.clientHeight) || 1.6;
    }

    /** Newcomers go where they were put before, or near their neighbours. */
    private place(cy: cytoscape.Core, newcomers: string[]): void {
        const taken = new Map<string, Point & Box>();
        const unplaced: string[] = [];
        const settle = (name: string, place: Point): void => {
            cy.getElementById(nodeId(name)).position(place);
            taken.set(name, { ...this.cards.get(name)!, ...place });
        };
        const fresh = new Set(newcomers);
        for (const name of this.cards.keys()) {
            const place = fresh.has(name)
                ? this.kept.get(name)
                : cy.getElementById(nodeId(name)).position();
            if (place) {
                settle(name, { x: place.x, y: place.y });
            } else {
                unplaced.push(name);
            }
        }
        const wires = this.wires();
        for (const name of unplaced) {
            settle(name, placeNear(this.cards.get(name)!, wires, taken));
        }
    }

    /** Everything goes where the layout has it; what was there before moves so that one can follow it. */
    private layOutAnew(cy: cytoscape.Core, newcomers: ReadonlySet<string>): void {
        const { places, lanes } = layOut(this.boxes(), this.wires(), this.aspect());
        this.lanes = lanes;
        cy.nodes().stop(true);
        const still = prefersStillness() || places.size > 150 || newcomers.size === places.size;
        const moves: Promise<unknown>[] = [];
        const all = cy.nodes();
        cy.batch(() =>
            all.forEach((node) => {
                const position = places.get(nameOf(node))!;
                const old = node.position();
                if (still || newcomers.has(nameOf(node))) {
                    node.position(position);
                } else if (Math.hypot(old.x - position.x, old.y - position.y) > 1) {
                    const easing = { position, duration: 260, easing: "ease-out-cubic" };
                    moves.push(
                        node
                            .animation(easing as never)
                            .play()
                            .promise("completed"),
                    );
                }
            }),
        );
        this.bendAll(cy);
        if (moves.length === 0) {
            this.fit();
        } else {
            this.moving = Promise.all(moves).then(() => {
                if (this.following) {
                    this.fit();
                }
            });
        }
    }

    /** Arranges everything anew, and forgets what was moved by hand. */
    arrange(): void {
        if (this.cy) {
            forgetPositions(this.model.session?.trust_domain ?? "");
            this.arranged = false;
            this.following = true;
            this.layOutAnew(this.cy, new Set());
        }
    }

    fit(): void {
        const cy = this.cy;
        if (!cy || cy.nodes().empty()) {
            return;
        }
        const small = this.container.clientWidth < 600;
        cy.fit(cy.nodes(), small ? 24 : 56);
        const most = Math.min(1.6, Math.max(1.1, this.container.clientWidth / 2200));
        if (cy.zoom() > most) {
            cy.zoom(most);
            cy.center(cy.nodes());
        }
        this.following = true;
    }

    zoomBy(factor: number): void {
        this.following = false;
        this.cy?.zoom({
            level: this.cy.zoom() * factor,
            renderedPosition: {
                x: this.container.clientWidth / 2,
                y: this.container.clientHeight / 2,
            },
        });
    }

    /** Moves the view, if need be, so that this instance is seen. */
    reveal(name: string): void {
        const node = this.cy?.getElementById(nodeId(name));
        if (!this.cy || !node || node.empty()) {
            return;
        }
        const box = node.renderedBoundingBox();
        const { clientWidth, clientHeight } = this.container;
        if (
            this.cy.zoom() < 0.5 ||
            box.x1 < 0 ||
            box.y1 < 0 ||
            box.x2 > clientWidth ||
            box.y2 > clientHeight
        ) {
            this.following = false;
            const view = {
                zoom: Math.max(this.cy.zoom(), 0.8),
                center: { eles: node },
            };
            if (prefersStillness()) {
                this.cy.zoom(view.zoom);
                this.cy.center(node);
            } else {
                this.cy.animate(view, { duration: 220 });
            }
        }
    }

    private save(): void {
        const places = new Map<string, Point>();
        this.cy?.nodes().forEach((node) => void places.set(nameOf(node), node.position()));
        this.arranged = true;
        savePositions(this.model.session?.trust_domain ?? "", places);
    }

    /* ---- what is looked at ---- */

    select(selection: Selection): void {
        this.selection = selection;
        this.light();
    }

    /** Only these are looked for; null: all. */
    find(names: ReadonlySet<string> | null): void {
        this.found = names;
        this.light();
    }

    /** Lights what belongs to what is chosen (or under the pointer, or found), and dims the rest. */
    private light(): void {
        const cy = this.cy;
        if (!cy) {
            return;
        }
        const about = this.hovered ?? this.selection;
        let nodes: Set<string> | null = null;
        let edges: Set<string> | null = null;
        if (this.wire) {
            /* Where it may be plugged in. */
            const { source, port } = this.wire;
            const from = this.model.instances.get(source);
            edges = new Set();
            nodes = new Set([source]);
            for (const to of this.model.instances.values()) {
                if (forbidsWire(from, port.name, to, null) === null) {
                    nodes.add(to.name);
                }
            }
        } else if (about?.kind === "instance" && this.cards.has(about.name)) {
            const { from, to } = this.model.connectionsOf(about.name);
            edges = new Set([...from, ...to].map((each) => each.id));
            nodes = new Set([
                about.name,
                ...from.map((c) => c.target_instance),
                ...to.map((c) => c.source_instance),
            ]);
        } else if (about?.kind === "connection") {
            const connection = this.model.connections.get(about.id);
            if (connection) {
                edges = new Set([about.id]);
                nodes = new Set([connection.source_instance, connection.target_instance]);
            }
        } else if (this.found) {
            nodes = new Set(this.found);
            edges = new Set(
                [...this.model.connections.values()]
                    .filter(
                        (each) =>
                            nodes!.has(each.source_instance) || nodes!.has(each.target_instance),
                    )
                    .map((each) => each.id),
            );
        }
        const before = this.lit;
        this.lit = nodes && edges ? { nodes, edges } : null;
        if (!before && !this.lit) {
            this.redraw();
            return;
        }
        cy.batch(() =>
            cy.edges().forEach((edge) => {
                edge.toggleClass("dim", edges !== null && !edges.has(nameOf(edge)));
            }),
        );
        this.redraw();
    }

    /* ---- the library ---- */

    private begin(): cytoscape.Core {
        if (this.cy) {
            return this.cy;
        }
        const many = this.model.connections.size > MANY;
        const cy = (this.cy = cytoscape({
            container: this.host,
            style: this.styles(),
            layout: { name: "preset" },
            minZoom: 0.02,
            maxZoom: 2.5,
            boxSelectionEnabled: false,
            autounselectify: true,
            textureOnViewport: many,
            ...(many ? { pixelRatio: 1 } : {}),
        }));
        cy.on("render", () => this.paint());
        cy.on("position", "node", (event) => {
            /* New bends make the library draw all wires anew; among many they wait until the card is let go. */
            if (this.model.connections.size <= MANY) {
                this.bend(event.target as cytoscape.NodeSingular);
            }
        });
        cy.on("tap", (event) => {
            const target = event.target as cytoscape.Core | cytoscape.SingularElementReturnValue;
            this.actions.select(
                target === cy ? null : chosen(target as cytoscape.SingularElementReturnValue),
            );
        });
        cy.on("dragfree", "node", (event) => {
            this.bend(event.target as cytoscape.NodeSingular);
            this.save();
        });
        cy.on("grab free", "node", (event) => {
            this.grabbing = event.type === "grab";
        });
        cy.on("drag", "node", (event) => {
            this.following = false;
            (event.target as cytoscape.NodeSingular)
                .connectedEdges()
                .forEach((edge) => void this.lanes.delete(nameOf(edge)));
        });
        cy.on("dragpan scrollzoom pinchzoom", () => {
            this.following = false;
        });
        cy.on("mouseover", "node, edge", (event) => {
            this.host.style.cursor = "pointer";
            this.hover(chosen(event.target as cytoscape.SingularElementReturnValue));
        });
        cy.on("mouseout", "node, edge", () => {
            this.host.style.cursor = "";
            this.hover(null);
        });
        return cy;
    }

    private hover(hovered: Selection): void {
        if (this.model.connections.size <= MANY && !this.wire) {
            this.hovered = hovered;
            this.light();
        }
    }

    /** Wires follow the cards. */
    private bend(node: cytoscape.NodeSingular): void {
        node.connectedEdges().forEach((edge) => this.bendOne(edge));
    }

    private bendAll(cy: cytoscape.Core): void {
        cy.batch(() => cy.edges().forEach((edge) => this.bendOne(edge)));
    }

    private bendOne(edge: cytoscape.EdgeSingular): void {
        const connection = this.model.connections.get(nameOf(edge));
        if (connection) {
            const { from, to } = edge.data() as { from: Point; to: Point };
            edge.data(this.curve(this.cy!, connection, from, to));
        }
    }

    private styles(): cytoscape.StylesheetJson {
        const p = this.painter.palette;
        const end = (at: Point): string => `${at.x.toFixed(1)}px ${at.y.toFixed(1)}px`;
        const look: Record<Status, Record<string, unknown>> = {
            ESTABLISHED: { "line-style": "solid", "target-arrow-shape": "triangle" },
            WAITING: {
                "line-style": "dashed",
                "line-dash-pattern": [8, 5],
                "target-arrow-shape": "vee",
            },
            FAILED: {
                "line-style": "dashed",
                "line-dash-pattern": [2, 5],
                "line-cap": "round",
                "target-arrow-shape": "triangle-cross",
            },
            TERMINATED: {
                "line-style": "dashed",
                "line-dash-pattern": [1, 7],
                "target-arrow-shape": "none",
            },
        };
        return [
            { selector: "core", style: { "active-bg-opacity": 0 } },
            {
                selector: "node",
                style: {
                    width: "data(w)",
                    height: "data(h)",
                    shape: "round-rectangle",
                    "background-opacity": 0,
                    "border-width": 0,
                    "overlay-opacity": 0,
                },
            },
            {
                selector: "edge",
                style: {
                    "curve-style": "unbundled-bezier",
                    "edge-distances": "endpoints",
                    "control-point-weights": (edge: cytoscape.EdgeSingular) =>
                        edge.data("weights") as number[],
                    "control-point-distances": (edge: cytoscape.EdgeSingular) =>
                        edge.data("distances") as number[],
                    "source-endpoint": (edge: cytoscape.EdgeSingular) =>
                        end(edge.data("from") as Point),
                    "target-endpoint": (edge: cytoscape.EdgeSingular) =>
                        end(edge.data("to") as Point),
                    width: "data(width)",
                    "arrow-scale": 1.1,
                    opacity: 0.92,
                    "overlay-opacity": 0,
                },
            },
            ...statuses.map((status) => ({
                selector: `edge[status = "${status}"]`,
                style: {
                    "line-color": p[colourOf[status]],
                    "target-arrow-color": p[colourOf[status]],
                    ...look[status],
                },
            })),
            { selector: "edge.dim", style: { opacity: 0.13 } },
        ] as cytoscape.StylesheetJson;
    }

    /* ---- painting ---- */

    private redraw(): void {
        if (this.frame === 0) {
            this.frame = requestAnimationFrame(() => {
                this.frame = 0;
                this.paint();
            });
        }
    }

    private paint(): void {
        const cy = this.cy;
        if (!cy) {
            return;
        }
        const zoom = cy.zoom();
        const { clientWidth: width, clientHeight: height } = this.container;
        this.painter.begin(zoom, cy.pan(), width, height);
        const view = cy.extent();
        const now = Date.now();
        const labels: [Connection, Point, boolean][] = [];
        cy.edges().forEach((edge) => {
            const connection = this.model.connections.get(nameOf(edge));
            const dim = this.lit !== null && !this.lit.edges.has(nameOf(edge));
            /* From far away only what is broken is marked. */
            const shown = zoom >= 0.3 || (connection?.status !== "ESTABLISHED" && !dim);
            if (!connection || !shown) {
                return;
            }
            const middle = edge.midpoint();
            if (
                middle.x > view.x1 &&
                middle.x < view.x2 &&
                middle.y > view.y1 &&
                middle.y < view.y2
            ) {
                labels.push([connection, middle, dim]);
            }
        });
        cy.nodes().forEach((node) => {
            const card = this.cards.get(nameOf(node));
            const state = this.health.get(nameOf(node));
            const place = node.position();
            if (
                !card ||
                !state ||
                place.x + card.width / 2 + 10 < view.x1 ||
                place.x - card.width / 2 - 10 > view.x2 ||
                place.y + card.height / 2 + 10 < view.y1 ||
                place.y - card.height / 2 - 10 > view.y2
            ) {
                return;
            }
            this.painter.card(
                {
                    card,
                    place,
                    ...state,
                    selected:
                        this.selection?.kind === "instance" && this.selection.name === card.name,
                    dim: this.lit !== null && !this.lit.nodes.has(card.name),
                    target:
                        this.wire?.over === card.name
                            ? this.wire.reason === null
                                ? "yes"
                                : "no"
                            : null,
                },
                zoom,
            );
        });
        for (const [connection, middle, dim] of labels) {
            const flow = this.flow(connection.id, now);
            const label = states[connection.status].label;
            this.painter.label(
                {
                    middle,
                    status: connection.status,
                    text:
                        connection.status === "ESTABLISHED" && flow >= 1
                            ? `${label} · ${rate(flow)}`
                            : label,
                    dim,
                },
                zoom,
                zoom >= 0.6,
            );
        }
        if (this.wire) {
            const place = cy.getElementById(nodeId(this.wire.source)).position();
            this.painter.wire(
                {
                    from: {
                        x: place.x + this.wire.port.at.x,
                        y: place.y + this.wire.port.at.y,
                    },
                    to: this.wire.to,
                    allowed: this.wire.over !== null && this.wire.reason === null,
                    reason:
                        this.wire.over !== null || this.wire.port.connected
                            ? this.wire.reason
                            : null,
                },
                zoom,
            );
        }
    }

    /* ---- plugging by hand ---- */

    /** From the window's coordinates to the drawing's. */
    private placeOf(event: PointerEvent): Point {
        const cy = this.cy!;
        const box = this.container.getBoundingClientRect();
        const pan = cy.pan();
        return {
            x: (event.clientX - box.left - pan.x) / cy.zoom(),
            y: (event.clientY - box.top - pan.y) / cy.zoom(),
        };
    }

    private under(place: Point, reach: number): { name: string; port: Port | null } | null {
        let card: { name: string; port: Port | null } | null = null;
        this.cy!.nodes().forEach((node) => {
            const each = this.cards.get(nameOf(node));
            const at = node.position();
            const inner = { x: place.x - at.x, y: place.y - at.y };
            if (
                each &&
                Math.abs(inner.x) <= each.width / 2 + reach &&
                Math.abs(inner.y) <= each.height / 2 + reach
            ) {
                const port = portAt(each, inner, reach);
                if (
                    port ||
                    (Math.abs(inner.x) <= each.width / 2 && Math.abs(inner.y) <= each.height / 2)
                ) {
                    card = { name: each.name, port };
                }
            }
        });
        return card;
    }

    private reach(event: PointerEvent): number {
        const pixels = event.pointerType === "touch" ? 20 : 11;
        return Math.min(pixels / this.cy!.zoom(), 18);
    }

    private maybeTakePort(event: PointerEvent): void {
        if (!this.cy || this.wire || event.button !== 0 || !this.actions.mayPlug()) {
            return;
        }
        const place = this.placeOf(event);
        const under = this.under(place, this.reach(event));
        if (!under?.port || under.port.side !== "outbound") {
            return;
        }
        this.wire = {
            source: under.name,
            port: under.port,
            to: place,
            over: null,
            inbound: null,
            reason: null,
        };
        this.hovered = null;
        this.light();
        const begun = { x: event.clientX, y: event.clientY };
        let moved = false;
        const control = new AbortController();
        const { signal } = control;
        const end = (): void => {
            control.abort();
            this.wire = null;
            this.light();
        };
        addEventListener(
            "pointermove",
            (move) => {
                moved ||= Math.hypot(move.clientX - begun.x, move.clientY - begun.y) > 5;
                this.moveWire(move);
            },
            { signal },
        );
        addEventListener(
            "pointerup",
            () => {
                const wire = this.wire!;
                end();
                if (!moved) {
                    this.actions.select({ kind: "instance", name: wire.source });
                } else if (wire.over !== null && wire.reason === null) {
                    this.actions.plug(wire.source, wire.port.name, wire.over, wire.inbound ?? "");
                }
            },
            { signal },
        );
        addEventListener("pointercancel", end, { signal });
        addEventListener("keydown", (key) => key.key === "Escape" && end(), {
            signal,
        });
        event.stopPropagation();
    }

    private moveWire(event: PointerEvent): void {
        const wire = this.wire!;
        wire.to = this.placeOf(event);
        const under = this.under(wire.to, this.reach(event));
        const source = this.model.instances.get(wire.source);
        const target = under ? this.model.instances.get(under.name) : undefined;
        wire.over =
            target && !(target === source && under?.port === wire.port) ? target.name : null;
        const only = target?.inbounds.length === 1 ? target.inbounds[0]!.name : null;
        wire.inbound = under?.port?.side === "inbound" ? under.port.name : only;
        if (wire.port.connected) {
            wire.reason = forbidsWire(source, wire.port.name, target ?? source, null);
        } else if (!target) {
            wire.reason = null;
        } else if (under?.port?.side === "outbound" && target !== source) {
            wire.reason = "a wire goes from an outbound to an inbound";
        } else {
            wire.reason = forbidsWire(source, wire.port.name, target, wire.inbound);
        }
        this.redraw();
    }

    /* ---- for tests: where things are drawn (it changes nothing) ---- */

    /** Where an instance, or one of its ports, is drawn in the window; null if it is not. */
    at(what: { instance: string; outbound?: string; inbound?: string }): Point | null {
        const node = this.cy?.getElementById(nodeId(what.instance));
        const card = this.cards.get(what.instance);
        if (!this.cy || !card || !node || node.empty()) {
            return null;
        }
        const port = card.ports.find((each) => each.name === (what.outbound ?? what.inbound));
        if ((what.outbound ?? what.inbound) !== undefined && !port) {
            return null;
        }
        const inner = port?.at ?? { x: 0, y: -card.height / 2 + 17 };
        const place = node.position();
        return this.toWindow({ x: place.x + inner.x, y: place.y + inner.y });
    }

    /** Where the middle of a connection's wire is drawn in the window; null if it is not. */
    edgeAt(id: string): Point | null {
        const edge = this.cy?.getElementById(edgeId(id));
        return this.cy && edge && edge.nonempty()
            ? this.toWindow((edge as unknown as cytoscape.EdgeSingular).midpoint())
            : null;
    }

    /** When what moves by itself has come to rest. */
    settled(): Promise<void> {
        return this.moving;
    }

    private toWindow(place: Point): Point {
        const cy = this.cy!;
        const box = this.container.getBoundingClientRect();
        const pan = cy.pan();
        return {
            x: box.left + pan.x + place.x * cy.zoom(),
            y: box.top + pan.y + place.y * cy.zoom(),
        };
    }
}
