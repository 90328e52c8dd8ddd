#include "appnet/registry/presence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/base/text.h"
#include "appnet/base/time.h"
#include "rowset.h"

#define LOOK_MICROSECONDS 250000
/* Between two looks: whoever looks so late has not listened either. */
#define LATE_MICROSECONDS 1000000
#define REPORTS_MAX 2000 /* connections that one replica may say how they stand of */

/* The replicas of one instance. */
struct crowd {
    char instance[NAME_SIZE]; /* first: the key */
    TAILQ_HEAD(, replica) replicas;
    unsigned count;
};

struct presence {
    int64_t lease; /* microseconds */
    void (*changed)(void *argument, const char *instance);
    void *argument;
    struct event *look;
    int64_t looked_at; /* loop_now */
    struct rowset crowds;
    size_t count;
};

static int compare_crowds(const void *a, const void *b)
{
    return strcmp(((const struct crowd *)a)->instance, ((const struct crowd *)b)->instance);
}

static struct crowd *crowd_of(const struct presence *presence, const char *instance)
{
    struct crowd key;

    model_name_set(key.instance, instance);
    return rowset_find(&presence->crowds, &key);
}

static void replica_free(struct replica *replica)
{
    model_instance_free(replica->declared);
    free(replica->reports);
    free(replica);
}

/* Frees the crowd with its last replica. */
static void take_out(struct presence *presence, struct crowd *crowd, struct replica *replica)
{
    TAILQ_REMOVE(&crowd->replicas, replica, link);
    presence->count--;
    replica_free(replica);
    if (--crowd->count == 0) {
        rowset_take(&presence->crowds, crowd);
        free(crowd);
    }
}

/* A process that hangs keeps its connection. */
static bool is_silent(const struct presence *presence, const struct replica *replica, int64_t now)
{
    return now - replica->heard_at >= presence->lease;
}

static bool is_live(const struct replica *replica, int64_t now)
{
    return replica->watching ? !replica->silent
                             : now - replica->heard_at < PRESENCE_GRACE_MICROSECONDS;
}

/* Whether anything changed. The crowd may be gone then. */
static bool look_at(struct presence *presence, struct crowd *crowd, int64_t now)
{
    unsigned left = crowd->count;
    bool changed = false;
    struct replica *at;
    struct replica *next;

    for (at = TAILQ_FIRST(&crowd->replicas); left > 0; at = next, left--) {
        bool live;
        at->silent = is_silent(presence, at, now);
        live = is_live(at, now);
        next = TAILQ_NEXT(at, link);
        changed = changed || live != at->live;
        at->live = live;
        if (!at->watching && at->silent) {
            changed = true;
            take_out(presence, crowd, at);
        }
    }
    return changed;
}

static void wait_longer(struct presence *presence, int64_t by)
{
    struct crowd *crowd = rowset_next(&presence->crowds, NULL);
    struct replica *replica;

    for (; crowd; crowd = rowset_next(&presence->crowds, crowd)) {
        TAILQ_FOREACH (replica, &crowd->replicas, link) {
            replica->heard_at += by;
        }
    }
}

static void on_look(evutil_socket_t fd, short what, void *argument)
{
    struct presence *presence = argument;
    int64_t now = loop_now();
    struct crowd *crowd = rowset_next(&presence->crowds, NULL);
    struct crowd key;

    (void)fd;
    (void)what;
    if (now - presence->looked_at > LATE_MICROSECONDS) {
        wait_longer(presence, now - presence->looked_at - LOOK_MICROSECONDS);
    }
    presence->looked_at = now;
    for (; crowd; crowd = rowset_next(&presence->crowds, &key)) {
        memcpy(key.instance, crowd->instance, sizeof key.instance);
        if (look_at(presence, crowd, now)) {
            presence->changed(presence->argument, key.instance);
        }
    }
}

struct presence *presence_new(struct event_base *base, unsigned lease_seconds,
                              void (*changed)(void *argument, const char *instance), void *argument)
{
    static const struct timeval often = {0, LOOK_MICROSECONDS};
    struct presence *presence = memory_zalloc(sizeof *presence);

    presence->lease = (int64_t)lease_seconds * 1000000;
    presence->changed = changed;
    presence->argument = argument;
    presence->crowds = (struct rowset)ROWSET_INIT(compare_crowds);
    presence->looked_at = loop_now();
    presence->look = event_new(base, -1, EV_PERSIST, on_look, presence);
    event_add(presence->look, &often);
    return presence;
}

void presence_free(struct presence *presence)
{
    struct crowd *crowd;

    if (!presence) {
        return;
    }
    while ((crowd = rowset_next(&presence->crowds, NULL))) {
        presence_forget(presence, crowd->instance);
    }
    rowset_clear(&presence->crowds);
    event_free(presence->look);
    free(presence);
}

bool replica_id_valid(const char *text)
{
    return strlen(text) == REPLICA_ID_SIZE - 1 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") == REPLICA_ID_SIZE - 1;
}

static void hear(struct replica *replica)
{
    replica->last_seen = time_now_ms();
    replica->heard_at = loop_now();
    replica->silent = false;
}

static struct crowd *crowd_make(struct presence *presence, const char *instance)
{
    struct crowd *crowd = crowd_of(presence, instance);

    if (!crowd) {
        crowd = memory_zalloc(sizeof *crowd);
        model_name_set(crowd->instance, instance);
        TAILQ_INIT(&crowd->replicas);
        rowset_put(&presence->crowds, crowd);
    }
    return crowd;
}

struct replica *presence_replica(struct presence *presence, const char *instance, const char *id)
{
    struct replica *replica = NULL;
    struct crowd *crowd;

    while ((replica = presence_next(presence, instance, replica))) {
        if (strcmp(replica->id, id) == 0) {
            return replica;
        }
    }
    crowd = crowd_make(presence, instance);
    if (crowd->count >= PRESENCE_REPLICAS_MAX) {
        return NULL;
    }
    replica = memory_zalloc(sizeof *replica);
    memcpy(replica->instance, crowd->instance, sizeof replica->instance);
    snprintf(replica->id, sizeof replica->id, "%s", id);
    replica->live = true;
    hear(replica);
    TAILQ_INSERT_TAIL(&crowd->replicas, replica, link);
    crowd->count++;
    presence->count++;
    return replica;
}

static void forget_reports(struct replica *replica)
{
    free(replica->reports);
    replica->reports = NULL;
    replica->report_count = 0;
}

void presence_watch(struct presence *presence, struct replica *replica, bool watching)
{
    if (watching && !replica->live) {
        forget_reports(replica); /* it may have been started anew */
    }
    replica->watching = watching;
    if (watching || !replica->silent) {
        hear(replica); /* the end of a silent one's watch is no sign of life */
    }
    if (watching) {
        replica->live = true;
        presence->changed(presence->argument, replica->instance);
    }
}

/* ---- reports ---- */

static int compare_reports(const void *a, const void *b)
{
    return strcmp(((const struct replica_report *)a)->id, ((const struct replica_report *)b)->id);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* What does not fit is cut off. */
static void copy_text(const json_t *object, const char *key, char *out, size_t size)
{
    snprintf(out, size, "%s", text_of(object, key));
    text_repair(out);
}

static int64_t number_of(const json_t *object, const char *key)
{
    int64_t number = json_integer_value(json_object_get(object, key));

    return number < 0 ? 0 : number;
}

static bool is_source(const json_t *entry)
{
    return strcmp(text_of(entry, "role"), "source") == 0;
}

static int check_one(const json_t *entry, struct error *err)
{
    if (!model_connection_id_valid(text_of(entry, "id"))) {
        return error_set(err, "connections: each needs the id of a connection");
    }
    if (!is_source(entry) && strcmp(text_of(entry, "role"), "target") != 0) {
        return error_set(err, "connections: role: expected source or target");
    }
    return 0;
}

static int read_one(const json_t *entry, struct replica_report *out, struct error *err)
{
    if (state_status_parse(text_of(entry, "status"), &out->status) != 0 ||
        out->status == STATE_TERMINATED) {
        return error_set(err, "connections: status: expected WAITING, ESTABLISHED or FAILED");
    }
    snprintf(out->id, sizeof out->id, "%s", text_of(entry, "id"));
    out->streams = number_of(entry, "streams");
    out->sent = number_of(entry, "sent");
    out->received = number_of(entry, "received");
    out->reason = state_reason(text_of(entry, "reason"));
    copy_text(entry, "detail", out->detail, sizeof out->detail);
    return 0;
}

/* How many entries are of a source. -1: the list cannot be taken. */
static int count_sources(const json_t *list, struct error *err)
{
    int count = 0;

    if (!json_is_array(list)) {
        return error_set(err, "connections: expected a list");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (check_one(entry, err) != 0) {
            return -1;
        }
        count += is_source(entry);
    }
    return count <= REPORTS_MAX
               ? count
               : error_set(err, "connections: expected at most %d of a source", REPORTS_MAX);
}

/* An inbound takes any number of connections, and how they stand is for their sources to say: what
 * a target says of them is not kept. */
static int read_reports(const json_t *list, struct replica_report **out, unsigned *count,
                        struct error *err)
{
    int sources = count_sources(list, err);

    *count = 0;
    if (sources < 0) {
        return -1;
    }
    *out = memory_zalloc(((size_t)sources + 1) * sizeof **out);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (is_source(entry) && read_one(entry, &(*out)[(*count)++], err) != 0) {
            free(*out);
            return -1;
        }
    }
    qsort(*out, *count, sizeof **out, compare_reports);
    return 0;
}

static int read_address(const json_t *value, char *out, struct error *err)
{
    struct address address;

    out[0] = '\0';
    if (!value || json_is_null(value)) {
        return 0;
    }
    if (!json_is_string(value) || address_parse(json_string_value(value), &address, err) != 0) {
        return error_set(err, "advertise: expected HOST:PORT or null");
    }
    address_format(&address, out, ADDRESS_TEXT_SIZE);
    return 0;
}

static void note_movement(const struct replica *replica, struct replica_report *reports,
                          unsigned count)
{
    static const struct replica_report nothing;

    for (unsigned i = 0; i < count; i++) {
        const struct replica_report *before = replica_report_of(replica, reports[i].id);
        before = before ? before : &nothing;
        reports[i].moved = reports[i].streams != before->streams ||
                           reports[i].sent != before->sent ||
                           reports[i].received != before->received;
    }
}

int presence_report(struct replica *replica, const json_t *report, struct error *err)
{
    const json_t *certificate = json_object_get(report, "certificate");
    char address[ADDRESS_TEXT_SIZE];
    struct replica_report *reports;
    unsigned count;

    if (read_address(json_object_get(report, "advertise"), address, err) != 0 ||
        read_reports(json_object_get(report, "connections"), &reports, &count, err) != 0) {
        return -1;
    }
    note_movement(replica, reports, count);
    memcpy(replica->address, address, sizeof replica->address);
    free(replica->reports);
    replica->reports = reports;
    replica->report_count = count;
    replica->applied = number_of(report, "revision");
    replica->reported = true;
    copy_text(report, "version", replica->version, sizeof replica->version);
    copy_text(certificate, "not_after", replica->certificate_not_after,
              sizeof replica->certificate_not_after);
    hear(replica);
    return 0;
}

void presence_declare(struct replica *replica, struct model_instance *declared)
{
    model_instance_free(replica->declared);
    replica->declared = declared;
}

const struct replica_report *replica_report_of(const struct replica *replica, const char *id)
{
    struct replica_report key;

    snprintf(key.id, sizeof key.id, "%s", id);
    return replica->reports ? bsearch(&key, replica->reports, replica->report_count,
                                      sizeof *replica->reports, compare_reports)
                            : NULL;
}

struct replica *presence_next(const struct presence *presence, const char *instance,
                              const struct replica *after)
{
    const struct crowd *crowd;

    if (after) {
        return TAILQ_NEXT(after, link);
    }
    crowd = crowd_of(presence, instance);
    return crowd ? TAILQ_FIRST(&crowd->replicas) : NULL;
}

void presence_forget(struct presence *presence, const char *instance)
{
    struct crowd *crowd = crowd_of(presence, instance);

    for (unsigned left = crowd ? crowd->count : 0; left > 0; left--) {
        take_out(presence, crowd, TAILQ_FIRST(&crowd->replicas));
    }
}

size_t presence_count(const struct presence *presence)
{
    return presence->count;
}
