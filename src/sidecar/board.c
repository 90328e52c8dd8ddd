#include "appnet/sidecar/board.h"

#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"
#include "appnet/sidecar/policy.h"

struct row {
    struct snapshot_outbound outbound;
    bool listening;
    struct error conflict; /* why the socket could not be opened; empty: not tried yet, or open */
    struct connection_state *workers;
    struct connection_state drawn;
};

struct board {
    unsigned workers;
    struct row *rows;
    unsigned count;
    void (*changed)(void *argument, const struct snapshot_outbound *outbound,
                    const struct connection_state *state);
    void *argument;
};

struct board *board_new(unsigned workers,
                        void (*changed)(void *argument, const struct snapshot_outbound *outbound,
                                        const struct connection_state *state),
                        void *argument)
{
    struct board *board = memory_zalloc(sizeof *board);

    board->workers = workers;
    board->changed = changed;
    board->argument = argument;
    return board;
}

static void free_rows(struct row *rows, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(rows[i].workers);
    }
    free(rows);
}

void board_free(struct board *board)
{
    if (board) {
        free_rows(board->rows, board->count);
        free(board);
    }
}

static struct row *find(const struct board *board, const char *outbound)
{
    for (unsigned i = 0; i < board->count; i++) {
        if (strcmp(board->rows[i].outbound.name, outbound) == 0) {
            return &board->rows[i];
        }
    }
    return NULL;
}

void board_apply(struct board *board, const struct snapshot *snapshot)
{
    struct row *rows = memory_zalloc((snapshot->outbound_count + 1) * sizeof *rows);

    for (unsigned i = 0; i < snapshot->outbound_count; i++) {
        struct row *old = find(board, snapshot->outbounds[i].name);
        if (old && snapshot_same_wire(&old->outbound, &snapshot->outbounds[i])) {
            rows[i] = *old;
            old->workers = NULL;
        } else {
            rows[i].workers = memory_zalloc(board->workers * sizeof *rows[i].workers);
        }
        rows[i].outbound = snapshot->outbounds[i];
    }
    free_rows(board->rows, board->count);
    board->rows = rows;
    board->count = snapshot->outbound_count;
}

/* One worker that fails is a failure; only what all have measured is established. */
static void draw(const struct board *board, const struct row *row, struct connection_state *out)
{
    unsigned established = 0;

    *out = (struct connection_state){.status = CONNECTION_WAITING};
    if (row->conflict.text[0] != '\0') {
        out->status = CONNECTION_FAILED;
        out->reason = REASON_LISTEN_CONFLICT;
        out->detail = row->conflict;
        return;
    }
    for (unsigned i = 0; i < board->workers; i++) {
        if (row->workers[i].status == CONNECTION_FAILED) {
            *out = row->workers[i];
            return;
        }
        established += row->workers[i].status == CONNECTION_ESTABLISHED;
    }
    if (established == board->workers && row->listening) {
        out->status = CONNECTION_ESTABLISHED;
    }
}

static void update(struct board *board, struct row *row)
{
    struct connection_state drawn;

    draw(board, row, &drawn);
    if (!connection_state_equal(&drawn, &row->drawn)) {
        row->drawn = drawn;
        board->changed(board->argument, &row->outbound, &row->drawn);
    }
}

void board_report(struct board *board, unsigned worker, const struct snapshot_outbound *wire,
                  const struct connection_state *state)
{
    struct row *row = find(board, wire->name);

    if (row && snapshot_same_wire(&row->outbound, wire)) {
        row->workers[worker] = *state;
        update(board, row);
    }
}

void board_listening(struct board *board, const char *outbound, const struct error *why)
{
    struct row *row = find(board, outbound);

    if (row) {
        row->listening = why == NULL;
        row->conflict = why ? *why : (struct error)ERROR_INIT;
        update(board, row);
    }
}

const struct connection_state *board_state(const struct board *board, const char *outbound)
{
    const struct row *row = find(board, outbound);

    return row && row->outbound.connected ? &row->drawn : NULL;
}
