#include "appnet/sidecar/admin.h"

#include <errno.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "appnet/base/acceptor.h"
#include "appnet/base/file.h"
#include "appnet/base/memory.h"

#define TIMEOUT_SECONDS 5
#define HEADERS_MAX 4096

struct admin {
    struct evhttp *local, *metrics; /* NULL: not served */
    struct event_base *base;
    char *path; /* of the socket that is ours to remove */
    void (*asked)(void *argument, enum admin_page page, struct admin_reply *reply);
    void *argument;
};

/* A request that waits for its answer. The asker may hang up meanwhile. */
struct admin_reply {
    struct evhttp_request *request; /* NULL: gone */
};

static void on_hang_up(struct evhttp_connection *connection, void *argument)
{
    struct admin_reply *reply = argument;

    (void)connection;
    reply->request = NULL;
}

static void ask(struct admin *admin, struct evhttp_request *request, enum admin_page page)
{
    struct admin_reply *reply = memory_zalloc(sizeof *reply);

    reply->request = request;
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_hang_up, reply);
    admin->asked(admin->argument, page, reply);
}

static void send_text(struct evhttp_request *request, int status, const char *type,
                      const char *body)
{
    struct evbuffer *buffer = evbuffer_new();

    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
    if (buffer) {
        evbuffer_add(buffer, body, strlen(body));
    }
    evhttp_send_reply(request, status, NULL, buffer);
    if (buffer) {
        evbuffer_free(buffer);
    }
}

void admin_answer(struct admin_reply *reply, int status, const char *type, const char *body)
{
    if (reply->request) {
        evhttp_connection_set_closecb(evhttp_request_get_connection(reply->request), NULL, NULL);
        send_text(reply->request, status, type, body);
    }
    free(reply);
}

static const char *path_of(struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

    return path ? path : "";
}

/* libevent's own answer to a method that it is not told to let through is 501: that nobody could
 * have meant it. */
static bool refuse_method(struct evhttp_request *request)
{
    if (evhttp_request_get_command(request) & (EVHTTP_REQ_GET | EVHTTP_REQ_HEAD)) {
        return false;
    }
    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
    send_text(request, 405, "text/plain", "there are only GET and HEAD\n");
    return true;
}

static void on_local(struct evhttp_request *request, void *argument)
{
    if (refuse_method(request)) {
        return;
    }
    if (strcmp(path_of(request), "/status") == 0) {
        ask(argument, request, ADMIN_STATUS);
    } else {
        send_text(request, 404, "text/plain", "not found: there is /status\n");
    }
}

static void on_metrics(struct evhttp_request *request, void *argument)
{
    const char *path = path_of(request);

    if (refuse_method(request)) {
        return;
    }
    if (strcmp(path, "/metrics") == 0) {
        ask(argument, request, ADMIN_METRICS);
    } else if (strcmp(path, "/readyz") == 0) {
        ask(argument, request, ADMIN_READY);
    } else if (strcmp(path, "/healthz") == 0) {
        send_text(request, 200, "text/plain", "ok\n");
    } else {
        send_text(request, 404, "text/plain",
                  "not found: there are /metrics, /healthz and /readyz\n");
    }
}

static struct evhttp *make_server(struct admin *admin,
                                  void (*serve)(struct evhttp_request *, void *))
{
    struct evhttp *server = evhttp_new(admin->base);

    if (server) {
        evhttp_set_allowed_methods(server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                               EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                               EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
        evhttp_set_timeout(server, TIMEOUT_SECONDS);
        evhttp_set_max_headers_size(server, HEADERS_MAX);
        evhttp_set_max_body_size(server, 0);
        evhttp_set_gencb(server, serve, admin);
    }
    return server;
}

struct admin *admin_new(struct event_base *base,
                        void (*asked)(void *argument, enum admin_page page,
                                      struct admin_reply *reply),
                        void *argument)
{
    struct admin *admin = memory_zalloc(sizeof *admin);

    admin->base = base;
    admin->asked = asked;
    admin->argument = argument;
    return admin;
}

static int make_folder_of(const char *path, struct error *err)
{
    char *copy = memory_strdup(path);
    int rc = file_make_folder(dirname(copy), 0755, err);

    free(copy);
    return rc;
}

/* Somebody who answers owns the socket; a file that nobody answers at was left by one who died. */
static int remove_stale(const struct sockaddr_un *at, struct error *err)
{
    struct stat found;
    int fd;

    if (lstat(at->sun_path, &found) != 0) {
        return 0;
    }
    if (!S_ISSOCK(found.st_mode)) {
        return error_set(err, "admin: %s is there and is not a socket", at->sun_path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0) {
        close(fd);
        return error_set(err, "admin: another sidecar serves %s", at->sun_path);
    }
    if (fd >= 0) {
        close(fd);
    }
    return unlink(at->sun_path) == 0 || errno == ENOENT
               ? 0
               : error_set_errno(err, errno, "admin: cannot replace %s", at->sun_path);
}

int admin_listen_unix(struct admin *admin, const char *path, struct error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    mode_t mask;
    int fd;
    int rc;

    if (strlen(path) >= sizeof at.sun_path) {
        return error_set(err,
                         "admin: %s is too long for a socket's path, expected at most %zu bytes",
                         path, sizeof at.sun_path - 1);
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    if (make_folder_of(path, err) != 0 || remove_stale(&at, err) != 0) {
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return error_set_errno(err, errno, "admin: no socket");
    }
    mask = umask(0177);
    rc = bind(fd, (const struct sockaddr *)&at, sizeof at);
    umask(mask);
    if (rc != 0 || listen(fd, SOMAXCONN) != 0) {
        error_set_errno(err, errno, "admin: cannot listen on %s", path);
        close(fd);
        return -1;
    }
    admin->path = memory_strdup(path);
    admin->local = make_server(admin, on_local);
    if (!admin->local || evhttp_accept_socket(admin->local, fd) != 0) {
        close(fd);
        return error_set(err, "admin: no memory to serve %s", path);
    }
    return 0;
}

int admin_listen_tcp(struct admin *admin, const struct address *address, struct error *err)
{
    int fd;

    if (acceptor_open(address, &fd, 1, err) != 0) {
        return error_prefix(err, "metrics");
    }
    admin->metrics = make_server(admin, on_metrics);
    if (!admin->metrics || evhttp_accept_socket(admin->metrics, fd) != 0) {
        close(fd);
        return error_set(err, "metrics: no memory to serve");
    }
    return 0;
}

void admin_free(struct admin *admin)
{
    if (!admin) {
        return;
    }
    if (admin->local) {
        evhttp_free(admin->local);
    }
    if (admin->metrics) {
        evhttp_free(admin->metrics);
    }
    if (admin->path) {
        unlink(admin->path);
        free(admin->path);
    }
    free(admin);
}
