#include "appnet/registry/state.h"

#include <stddef.h>
#include <string.h>

static const char *const status_texts[] = {
    [STATE_WAITING] = "WAITING",
    [STATE_ESTABLISHED] = "ESTABLISHED",
    [STATE_FAILED] = "FAILED",
    [STATE_TERMINATED] = "TERMINATED",
};

static const char *const reasons[] = {
    STATE_NO_REPLICA,     STATE_UNREACHABLE,     STATE_TLS_REFUSED,         STATE_NOT_AUTHORISED,
    STATE_TARGET_REFUSED, STATE_LISTEN_CONFLICT, STATE_INTERFACE_WITHDRAWN,
};

/* ---- what the sources say ---- */

static bool all_established(const struct state_input *input)
{
    for (unsigned i = 0; i < input->source_count; i++) {
        const struct state_source *source = &input->sources[i];
        if (!source->reported || source->status != STATE_ESTABLISHED) {
            return false;
        }
    }
    return input->source_count > 0;
}

static const struct state_source *first_failed(const struct state_input *input)
{
    for (unsigned i = 0; i < input->source_count; i++) {
        if (input->sources[i].reported && input->sources[i].status == STATE_FAILED) {
            return &input->sources[i];
        }
    }
    return NULL;
}

/* ---- time ---- */

/* A clock that was set back must not make a row young for longer than it ever was. */
static int64_t grace_left(const struct state_input *input)
{
    int64_t age = input->now - input->connection->created_at;
    int64_t left = age >= 0 ? STATE_GRACE_MS - age : 0;

    if (STATE_GRACE_MS - input->uptime > left) {
        left = STATE_GRACE_MS - input->uptime;
    }
    return left > 0 ? left : 0;
}

/* ---- answers ---- */

static void fail(struct state *out, const char *reason)
{
    out->status = STATE_FAILED;
    out->reason = reason;
}

static void fail_as(const struct state_input *input, const struct state_source *source,
                    struct state *out)
{
    fail(out, source->reason ? source->reason : STATE_UNREACHABLE);
    if (source->detail && source->detail[0] != '\0') {
        error_set(&out->detail, "%s", source->detail);
    }
    if (input->source_count > 1) {
        error_set(&out->detail, "replica %s of %s%s%s", source->replica, input->connection->source,
                  source->detail && source->detail[0] != '\0' ? ": " : "",
                  source->detail ? source->detail : "");
    }
}

static void fail_alone(const struct state_input *input, struct state *out)
{
    fail(out, STATE_NO_REPLICA);
    if (input->source_count == 0 && input->target_count == 0) {
        error_set(&out->detail, "neither %s nor %s has a replica that runs: start their sidecars",
                  input->connection->source, input->connection->target);
    } else {
        error_set(&out->detail, "%s has no replica that runs: start its sidecar",
                  input->source_count == 0 ? input->connection->source : input->connection->target);
    }
}

static void terminate(const struct state_input *input, struct state *out)
{
    out->status = STATE_TERMINATED;
    if (input->unreleased > 0) {
        error_set(&out->detail, "%u replica%s yet to let go of it", input->unreleased,
                  input->unreleased == 1 ? " has" : "s have");
    }
}

void state_derive(const struct state_input *input, struct state *out)
{
    int64_t left = grace_left(input);
    const struct state_source *failed;

    *out = (struct state){.status = STATE_WAITING};
    if (input->connection->removing) {
        terminate(input, out);
    } else if (all_established(input)) {
        out->status = STATE_ESTABLISHED;
    } else if (left > 0) {
        out->next = input->now + left;
    } else if (input->source_count == 0 || input->target_count == 0) {
        fail_alone(input, out);
    } else if ((failed = first_failed(input))) {
        fail_as(input, failed, out);
    }
}

bool state_may_go(const struct state_input *input)
{
    return input->connection->removing && input->unreleased == 0;
}

/* ---- words ---- */

const char *state_status_text(enum state_status status)
{
    return status_texts[status];
}

int state_status_parse(const char *text, enum state_status *out)
{
    for (unsigned i = 0; i < sizeof status_texts / sizeof *status_texts; i++) {
        if (strcmp(text, status_texts[i]) == 0) {
            *out = (enum state_status)i;
            return 0;
        }
    }
    return -1;
}

const char *state_reason(const char *text)
{
    for (unsigned i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (strcmp(text, reasons[i]) == 0) {
            return reasons[i];
        }
    }
    return NULL;
}
