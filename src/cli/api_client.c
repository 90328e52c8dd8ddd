#include "api_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "answer.h"
#include "appnet/base/file.h"
#include "appnet/base/loop.h"
#include "appnet/base/memory.h"
#include "appnet/base/secret.h"
#include "output.h"
#include "table.h"

#define CONNECT_TIMEOUT 10L /* seconds */
#define TIMEOUT 30L
#define SILENCE 45L /* of a stream; a registry says something every 15 seconds */
#define TOKEN_MAX 4096

struct api {
    char *url;     /* without a slash at the end */
    bool is_local; /* on this machine */
    bool json;     /* a script asks: refusals, too, are printed as they came */
    char *token;   /* NULL: none was given */
    char *ca;      /* NULL: this machine's own */
    CURL *curl;
};

static const char *given_or_environment(const char *given, const char *variable)
{
    const char *value = given ? given : getenv(variable);

    return value && *value ? value : NULL;
}

/* The URL's host, between the scheme and a port or a path. */
static bool is_loopback(const char *host, size_t length)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (length == strlen(names[i]) && strncasecmp(host, names[i], length) == 0) {
            return true;
        }
    }
    return false;
}

static int set_url(struct api *api, const char *given, struct error *err)
{
    const char *url = given_or_environment(given, "APPNET_REGISTRY");
    const char *host;
    size_t length;

    url = url ? url : API_REGISTRY;
    length = strlen(url);
    while (length > 0 && url[length - 1] == '/') {
        length--;
    }
    api->url = memory_printf("%.*s", (int)length, url);
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        return error_set(
            err, "registry \"%s\": expected a URL, such as https://registry.example:15010", url);
    }
    host = strstr(api->url, "://") + 3;
    length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    api->is_local = is_loopback(host, length);
    return 0;
}

/* A token is one word of letters that a header may have. */
static int set_token(struct api *api, const char *given, struct error *err)
{
    const char *path = given_or_environment(given, "APPNET_TOKEN_FILE");
    char *text;
    size_t size;
    size_t begin;
    size_t length;
    int rc = 0;

    if (!path) {
        return 0;
    }
    if (file_read(path, TOKEN_MAX, &text, &size, err) != 0) {
        return -1;
    }
    if (file_is_exposed(path)) {
        fprintf(stderr, "appnet: warning: others can read the token in %s: chmod 600 it\n", path);
    }
    begin = strspn(text, " \t\r\n");
    length = strcspn(text + begin, " \t\r\n");
    if (length == 0 || text[begin + length + strspn(text + begin + length, " \t\r\n")] != '\0') {
        rc = error_set(err, "%s holds no token: expected one word", path);
    } else {
        api->token = memory_printf("%.*s", (int)length, text + begin);
        if (!api->is_local && strncmp(api->url, "https:", 6) != 0) {
            fprintf(stderr, "appnet: warning: the token goes to %s without encryption\n", api->url);
        }
    }
    secret_wipe(text, size);
    free(text);
    return rc;
}

struct api *api_new(const struct command_arguments *arguments, struct error *err)
{
    struct api *api = memory_zalloc(sizeof *api);
    const char *ca = given_or_environment(arguments->ca, "APPNET_CA");

    api->json = arguments->json;
    api->ca = ca ? memory_strdup(ca) : NULL;
    api->curl = curl_easy_init();
    if (!api->curl) {
        error_set(err, "libcurl cannot start");
    } else if (set_url(api, arguments->registry, err) == 0 &&
               set_token(api, arguments->token_file, err) == 0) {
        return api;
    }
    api_free(api);
    return NULL;
}

void api_free(struct api *api)
{
    if (!api) {
        return;
    }
    curl_easy_cleanup(api->curl);
    if (api->token) {
        secret_wipe(api->token, strlen(api->token));
    }
    free(api->token);
    free(api->url);
    free(api->ca);
    free(api);
}

/* What all requests have. The URL and the headers are the caller's to free, afterwards. */
static struct curl_slist *prepare(struct api *api, const char *path, const char *accept, char **url,
                                  char *reason)
{
    CURL *curl = api->curl;
    struct curl_slist *headers = curl_slist_append(NULL, accept);

    curl_easy_reset(curl);
    *url = memory_printf("%s%s", api->url, path);
    curl_easy_setopt(curl, CURLOPT_URL, *url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    if (api->is_local) {
        /* Whatever the environment says of proxies, this is on our own machine. */
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    }
    if (api->ca) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, api->ca);
    }
    if (api->token) {
        char *header = memory_printf("Authorization: Bearer %s", api->token);
        headers = curl_slist_append(headers, header);
        secret_wipe(header, strlen(header));
        free(header);
    }
    return headers;
}

static int no_answer(const struct api *api, CURLcode rc, const char *reason, struct error *err)
{
    const char *why = *reason ? reason : curl_easy_strerror(rc);

    if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST) {
        return error_set(
            err,
            "the registry cannot be reached at %s: %s. Does appnet-registry run there? "
            "Another place is given by --registry URL or APPNET_REGISTRY",
            api->url, why);
    }
    if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CACERT_BADFILE) {
        return error_set(err,
                         "the registry at %s is not trusted: %s. --ca FILE or APPNET_CA names the "
                         "CA that it has its certificate from, ca/ca.pem in its data_dir",
                         api->url, why);
    }
    return error_set(err, "the registry at %s does not answer: %s", api->url, why);
}

int api_try(struct api *api, const char *method, const char *path, const json_t *body,
            struct api_answer *answer, struct error *err)
{
    char reason[CURL_ERROR_SIZE] = "";
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    char *url;
    struct answer got;
    struct curl_slist *headers = prepare(api, path, "Accept: application/json", &url, reason);
    CURLcode rc;

    memset(answer, 0, sizeof *answer);
    answer_init(&got);
    curl_easy_setopt(api->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(api->curl, CURLOPT_TIMEOUT, TIMEOUT);
    curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, answer_take);
    curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, &got);
    if (text) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
        curl_easy_setopt(api->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(text));
        curl_easy_setopt(api->curl, CURLOPT_POSTFIELDS, text);
    }
    curl_easy_setopt(api->curl, CURLOPT_HTTPHEADER, headers);
    rc = curl_easy_perform(api->curl);
    curl_slist_free_all(headers);
    free(url);
    free(text);
    answer->text = got.text;
    if (rc != CURLE_OK) {
        no_answer(api, rc, reason, err);
        return COMMAND_FAILED;
    }
    curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    answer->json = json_loads(got.text, 0, NULL);
    return COMMAND_DONE;
}

void api_answer_clear(struct api_answer *answer)
{
    free(answer->text);
    json_decref(answer->json);
    memset(answer, 0, sizeof *answer);
}

/* What a person can do whom the registry does not know, or does not let. */
static const char *advice_for(const struct api *api, const char *code)
{
    if (strcmp(code, "unauthenticated") == 0) {
        return api->token
                   ? "the token was made by another registry, or is no longer good; the file "
                     "is named by --token-file FILE or APPNET_TOKEN_FILE"
                   : "name the file with your token by --token-file FILE or "
                     "APPNET_TOKEN_FILE; the registry keeps admin.token in its data_dir";
    }
    if (strcmp(code, "forbidden") == 0) {
        return "ask with a token that may: operator.token connects and disconnects, admin.token "
               "may do everything";
    }
    return NULL;
}

static const char *string_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* "appnet: sentence", and behind it one line for each further one. */
int api_refused(const struct api *api, const struct api_answer *answer, struct error *err)
{
    const char *detail = string_of(answer->json, "detail");
    const char *next = string_of(answer->json, "next");
    const json_t *errors = json_object_get(answer->json, "errors");

    if (*detail == '\0') {
        detail = string_of(answer->json, "title");
    }
    if (*detail == '\0') {
        error_set(err,
                  "the registry at %s answered with HTTP status %ld: is it an appnet-registry?",
                  api->url, answer->status);
        return COMMAND_FAILED;
    }
    if (api->json) {
        output_text(answer->text);
    }
    if (*next == '\0') {
        const char *advice = advice_for(api, string_of(answer->json, "code"));
        next = advice ? advice : "";
    }
    fputs("appnet: ", stderr);
    table_put(detail, stderr);
    fputc('\n', stderr);
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const char *sentence = json_string_value(json_array_get(errors, i));
        fputs("  - ", stderr);
        table_put(sentence ? sentence : "", stderr);
        fputc('\n', stderr);
    }
    if (*next) {
        fputs("  ", stderr);
        table_put(next, stderr);
        fputc('\n', stderr);
    }
    return COMMAND_FAILED;
}

int api_ask(struct api *api, const char *method, const char *path, const json_t *body,
            struct api_answer *answer, struct error *err)
{
    if (api_try(api, method, path, body, answer, err) != COMMAND_DONE) {
        return COMMAND_FAILED;
    }
    if (answer->status < 200 || answer->status > 299) {
        return api_refused(api, answer, err);
    }
    /* 204 has nothing to say. */
    if (!answer->json && answer->status != 204) {
        error_set(err, "the registry's answer is not JSON: is %s an appnet-registry?", api->url);
        return COMMAND_FAILED;
    }
    return COMMAND_DONE;
}

int api_print_list(const struct command_arguments *arguments, const char *path, const char *key,
                   const struct table_column *columns, struct error *err)
{
    struct api *api = api_new(arguments, err);
    struct api_answer answer;
    int code;

    if (!api) {
        return COMMAND_FAILED;
    }
    code = api_ask(api, "GET", path, NULL, &answer, err);
    if (code == COMMAND_DONE && arguments->json) {
        output_text(answer.text);
    } else if (code == COMMAND_DONE) {
        table_print(json_object_get(answer.json, key), columns, stdout);
    }
    api_answer_clear(&answer);
    api_free(api);
    return code;
}

/* A stream under way. Until it is known to be one, what comes is kept: it may be a refusal. */
struct following {
    struct api *api;
    const struct api_stream *stream;
    struct answer refusal;
    int64_t heard; /* as loop_now */
    long patience; /* seconds without a word */
    bool ended;    /* by us */
};

static size_t on_piece(char *data, size_t one, size_t size, void *argument)
{
    struct following *following = argument;
    long status = 0;

    following->heard = loop_now();
    curl_easy_getinfo(following->api->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        return answer_take(data, one, size, &following->refusal);
    }
    if (following->stream->take(following->stream->argument, data, size) == 0) {
        return size;
    }
    following->ended = true;
    return 0;
}

static int on_progress(void *argument, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct following *following = argument;
    long status = 0;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    curl_easy_getinfo(following->api->curl, CURLINFO_RESPONSE_CODE, &status);
    following->patience = status == 0 ? TIMEOUT : SILENCE;
    if (loop_now() - following->heard > following->patience * 1000000) {
        return 1;
    }
    if (status != 0 && following->stream->tick &&
        following->stream->tick(following->stream->argument) != 0) {
        following->ended = true;
        return 1;
    }
    return 0;
}

static int follow_refused(struct following *following, long status, bool *refused,
                          struct error *err)
{
    struct api_answer answer = {.status = status, .text = following->refusal.text};

    /* 429 and 5xx pass. */
    *refused = status < 500 && status != 429;
    answer.json = json_loads(answer.text, 0, NULL);
    if (*refused) {
        api_refused(following->api, &answer, err);
    } else {
        error_set(err, "the registry answered with HTTP status %ld", status);
    }
    json_decref(answer.json);
    return -1;
}

int api_follow(struct api *api, const struct api_stream *stream, bool *refused, struct error *err)
{
    struct following following = {.api = api, .stream = stream, .heard = loop_now()};
    char reason[CURL_ERROR_SIZE] = "";
    char *url;
    struct curl_slist *headers =
        prepare(api, stream->path, "Accept: text/event-stream", &url, reason);
    long status = 0;
    CURLcode rc;
    int result = 0;

    *refused = false;
    answer_init(&following.refusal);
    if (stream->last_id[0] != '\0') {
        char *header = memory_printf("Last-Event-ID: %s", stream->last_id);
        headers = curl_slist_append(headers, header);
        free(header);
    }
    curl_easy_setopt(api->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, on_piece);
    curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, &following);
    curl_easy_setopt(api->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(api->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(api->curl, CURLOPT_XFERINFODATA, &following);
    rc = curl_easy_perform(api->curl);
    curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    free(url);
    if (rc == CURLE_ABORTED_BY_CALLBACK && !following.ended) {
        snprintf(reason, sizeof reason, "nothing came within %ld seconds", following.patience);
    }
    if (rc != CURLE_OK && !following.ended) {
        result = no_answer(api, rc, reason, err);
        *refused = rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CACERT_BADFILE;
    } else if (rc == CURLE_OK && status != 200) {
        result = follow_refused(&following, status, refused, err);
    }
    answer_clear(&following.refusal);
    return result;
}
