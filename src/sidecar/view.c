#include "appnet/sidecar/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "appnet/base/file.h"
#include "appnet/base/memory.h"
#include "view_entry.h"

struct view {
    struct view_list list;
    int64_t revision;
    unsigned lease;
    char digest[VIEW_DIGEST_SIZE];
    char *trust_bundle;
};

/* What a line says, read and found good before anything of it is put into use. */
struct news {
    struct view_list list;
    int64_t revision;
    unsigned lease;     /* 0: it does not say */
    const char *digest; /* the line's */
    const char *trust_bundle;
};

struct view *view_new(void)
{
    struct view *view = memory_zalloc(sizeof *view);

    view->lease = VIEW_LEASE_SECONDS;
    return view;
}

void view_free(struct view *view)
{
    if (view) {
        view_list_clear(&view->list);
        free(view->trust_bundle);
        free(view);
    }
}

/* ---- reading ---- */

static int take_revision(const json_t *json, int64_t *out, struct error *err)
{
    const json_t *value = json_object_get(json, "revision");

    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return error_set(err, "revision: expected a number");
    }
    *out = json_integer_value(value);
    return 0;
}

/* It goes back to the registry in a query as it came. */
static int take_digest(const json_t *json, const char **out, struct error *err)
{
    const json_t *value = json_object_get(json, "view");
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);

    if (length == 0 || length >= VIEW_DIGEST_SIZE ||
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") !=
            length) {
        return error_set(err, "view: expected 1 to %d of letters, digits and -._~",
                         VIEW_DIGEST_SIZE - 1);
    }
    *out = text;
    return 0;
}

static int take_lease(const json_t *json, unsigned *out, struct error *err)
{
    const json_t *value = json_object_get(json, "lease");

    if (!value) {
        return 0;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > 86400) {
        return error_set(err, "lease: expected seconds, from 1 to 86400");
    }
    *out = (unsigned)json_integer_value(value);
    return 0;
}

static int take_bundle(const json_t *json, const char **out, struct error *err)
{
    const json_t *value = json_object_get(json, "trust_bundle");

    if (!value || json_is_null(value)) {
        return 0;
    }
    if (!json_is_string(value) || json_string_length(value) == 0 ||
        json_string_length(value) > VIEW_BUNDLE_MAX) {
        return error_set(err, "trust_bundle: expected certificates in PEM");
    }
    *out = json_string_value(value);
    return 0;
}

static int read_list(const json_t *json, const char *key, struct view_list *list, struct error *err)
{
    const json_t *array = json_object_get(json, key);

    if (!json_is_array(array)) {
        return error_set(err, "%s: expected a list", key);
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct view_entry *entry = view_entry_read(json_array_get(array, i), err);
        if (!entry) {
            return error_prefix(err, "%s, number %zu", key, i + 1);
        }
        view_list_append(list, entry);
    }
    return 0;
}

/* All that there is to a snapshot, in a line or in the file. */
static int read_whole(const json_t *json, struct news *news, struct error *err)
{
    if (take_revision(json, &news->revision, err) != 0 ||
        take_digest(json, &news->digest, err) != 0 || take_lease(json, &news->lease, err) != 0 ||
        take_bundle(json, &news->trust_bundle, err) != 0 ||
        read_list(json, "connections", &news->list, err) != 0) {
        return -1;
    }
    return view_list_settle(&news->list, err);
}

static int check_removed(const json_t *removed, struct error *err)
{
    if (!json_is_array(removed)) {
        return error_set(err, "remove: expected a list");
    }
    for (size_t i = 0; i < json_array_size(removed); i++) {
        if (!json_is_string(json_array_get(removed, i))) {
            return error_set(err, "remove: expected ids");
        }
    }
    return 0;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What stays of the old list, in front of what is put. */
static void keep_the_rest(const struct view_list *old, const json_t *removed,
                          const struct view_list *put, struct view_list *out)
{
    size_t room = json_array_size(removed) + put->count;
    const char **gone = memory_zalloc((room + 1) * sizeof *gone);
    size_t count = 0;

    while (count < json_array_size(removed)) {
        gone[count] = json_string_value(json_array_get(removed, count));
        count++;
    }
    for (unsigned i = 0; i < put->count; i++) {
        gone[count++] = put->entries[i]->connection.id;
    }
    qsort(gone, count, sizeof *gone, compare_texts);
    for (unsigned i = 0; i < old->count; i++) {
        const char *id = old->entries[i]->connection.id;
        if (!bsearch(&id, gone, count, sizeof *gone, compare_texts)) {
            old->entries[i]->references++;
            view_list_append(out, old->entries[i]);
        }
    }
    free(gone);
}

static int read_change(const struct view *view, const json_t *json, struct news *news,
                       struct error *err)
{
    const json_t *removed = json_object_get(json, "remove");
    struct view_list put = {0};
    int rc = -1;

    if (view->digest[0] == '\0') {
        return error_set(err, "a change came before there was anything to change");
    }
    if (take_revision(json, &news->revision, err) == 0 &&
        take_digest(json, &news->digest, err) == 0 &&
        take_bundle(json, &news->trust_bundle, err) == 0 && check_removed(removed, err) == 0 &&
        read_list(json, "put", &put, err) == 0) {
        keep_the_rest(&view->list, removed, &put, &news->list);
        for (unsigned i = 0; i < put.count; i++) {
            put.entries[i]->references++;
            view_list_append(&news->list, put.entries[i]);
        }
        rc = view_list_settle(&news->list, err);
    }
    view_list_clear(&put);
    return rc;
}

static int read_resume(const struct view *view, const json_t *json, struct news *news,
                       struct error *err)
{
    if (take_revision(json, &news->revision, err) != 0 ||
        take_digest(json, &news->digest, err) != 0 || take_lease(json, &news->lease, err) != 0) {
        return -1;
    }
    return strcmp(news->digest, view->digest) == 0
               ? 0
               : error_set(err, "the registry goes on from something else than it was told");
}

/* ---- taking ---- */

static void put_into_use(struct view *view, struct news *news, bool with_list)
{
    view->revision = news->revision;
    memcpy(view->digest, news->digest, strlen(news->digest) + 1);
    if (news->lease != 0) {
        view->lease = news->lease;
    }
    if (news->trust_bundle) {
        free(view->trust_bundle);
        view->trust_bundle = memory_strdup(news->trust_bundle);
    }
    if (with_list) {
        struct view_list old = view->list;
        view->list = news->list;
        news->list = old;
    }
}

static int take(struct view *view, const json_t *json, enum view_line *kind, struct error *err)
{
    const char *type = json_string_value(json_object_get(json, "type"));
    struct news news = {0};
    int rc;

    if (!type) {
        return error_set(err, "type: expected one of snapshot, resume, change and alive");
    }
    if (strcmp(type, "snapshot") == 0) {
        *kind = VIEW_SNAPSHOT;
        rc = read_whole(json, &news, err);
    } else if (strcmp(type, "change") == 0) {
        *kind = VIEW_CHANGE;
        rc = read_change(view, json, &news, err);
    } else if (strcmp(type, "resume") == 0) {
        *kind = VIEW_RESUME;
        rc = read_resume(view, json, &news, err);
    } else {
        *kind = VIEW_ALIVE;
        return 0;
    }
    if (rc == 0) {
        put_into_use(view, &news, *kind != VIEW_RESUME);
    }
    view_list_clear(&news.list);
    return rc;
}

static json_t *parse(const char *text, size_t length, struct error *err)
{
    json_error_t where;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);

    if (!json) {
        error_set(err, "it is not JSON: %s", where.text);
    } else if (!json_is_object(json)) {
        error_set(err, "expected a JSON object");
        json_decref(json);
        json = NULL;
    }
    return json;
}

int view_take(struct view *view, const char *line, size_t length, enum view_line *kind,
              struct error *err)
{
    enum view_line ignored;
    json_t *json = parse(line, length, err);
    int rc = json ? take(view, json, kind ? kind : &ignored, err) : -1;

    json_decref(json);
    return rc == 0 ? 0 : error_prefix(err, "a line of the registry's cannot be taken");
}

/* ---- showing ---- */

int64_t view_revision(const struct view *view)
{
    return view->revision;
}

const char *view_digest(const struct view *view)
{
    return view->digest;
}

unsigned view_lease(const struct view *view)
{
    return view->lease;
}

const char *view_trust_bundle(const struct view *view)
{
    return view->trust_bundle;
}

unsigned view_count(const struct view *view)
{
    return view->list.count;
}

const struct view_connection *view_at(const struct view *view, unsigned index)
{
    return &view->list.entries[index]->connection;
}

const struct view_connection *view_find(const struct view *view, const char *id)
{
    const struct view_entry *entry = view_list_find(&view->list, id);

    return entry ? &entry->connection : NULL;
}

/* ---- the file ---- */

char *view_text(const struct view *view)
{
    json_t *list = json_array();
    json_t *json;
    char *text;

    for (unsigned i = 0; i < view->list.count; i++) {
        json_array_append_new(list, view_entry_json(view->list.entries[i]));
    }
    json = json_pack("{s:s, s:I, s:o, s:s?}", "view", view->digest, "revision",
                     (json_int_t)view->revision, "connections", list, "trust_bundle",
                     view->trust_bundle);
    text = json_dumps(json, JSON_INDENT(1));
    json_decref(json);
    return text;
}

int view_save(const struct view *view, const char *path, struct error *err)
{
    char *text = view_text(view);
    int rc = text ? file_write(path, text, strlen(text), 0600, false, err)
                  : error_set(err, "no memory for %s", path);

    free(text);
    return rc;
}

struct view *view_load(const char *path, struct error *err)
{
    struct view *view;
    struct news news = {0};
    json_t *json;
    size_t size;
    char *text;

    if (access(path, F_OK) != 0 && errno == ENOENT) {
        return NULL;
    }
    if (file_read(path, VIEW_FILE_MAX, &text, &size, err) != 0) {
        return NULL;
    }
    json = parse(text, size, err);
    free(text);
    if (!json || read_whole(json, &news, err) != 0) {
        error_prefix(err, "%s", path);
        view = NULL;
    } else {
        view = view_new();
        put_into_use(view, &news, true);
    }
    view_list_clear(&news.list);
    json_decref(json);
    return view;
}
