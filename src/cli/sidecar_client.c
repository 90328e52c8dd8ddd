#include "sidecar_client.h"

#include <curl/curl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "appnet/base/memory.h"

#define ANSWER_LIMIT ((size_t)64 << 20)
#define TIMEOUT_SECONDS 10L

static char *find_only(const char *folder, struct error *err)
{
    char *pattern = memory_printf("%s/*.sock", folder);
    glob_t found = {.gl_pathc = 0};
    char *socket = NULL;
    int rc = glob(pattern, 0, NULL, &found);

    if (rc == 0 && found.gl_pathc == 1)
        socket = memory_strdup(found.gl_pathv[0]);
    else if (rc == 0)
        error_set(err, "there are %zu sidecars in %s: choose one by --sidecar SOCKET",
                  found.gl_pathc, folder);
    else
        error_set(err, "there is no sidecar in %s: name its socket by --sidecar SOCKET", folder);
    globfree(&found);
    free(pattern);
    return socket;
}

char *sidecar_find(const char *given, const char *folder, struct error *err)
{
    if (!given)
        given = getenv("APPNET_SIDECAR");
    return given && *given ? memory_strdup(given) : find_only(folder, err);
}

struct answer {
    char *text;
    size_t size;
};

static size_t on_data(char *data, size_t one, size_t size, void *argument)
{
    struct answer *answer = argument;

    (void)one;
    if (size > ANSWER_LIMIT - answer->size)
        return 0;
    answer->text = memory_grow(answer->text, answer->size + size + 1, 1);
    memcpy(answer->text + answer->size, data, size);
    answer->size += size;
    answer->text[answer->size] = '\0';
    return size;
}

static int get(CURL *curl, const char *socket, const char *path, struct answer *answer,
               struct error *err)
{
    char *url = memory_printf("http://sidecar%s", path);
    char reason[CURL_ERROR_SIZE] = "";
    long status = 0;
    CURLcode rc;

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    /* Whatever the environment says of proxies, this is a local socket. */
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    rc = curl_easy_perform(curl);
    free(url);
    if (rc != CURLE_OK)
        return error_set(err, "the sidecar at %s does not answer: %s", socket,
                         *reason ? reason : curl_easy_strerror(rc));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200)
        return error_set(err, "the sidecar at %s answered %s with HTTP status %ld", socket, path,
                         status);
    return 0;
}

char *sidecar_get(const char *socket, const char *path, struct error *err)
{
    struct answer answer = {.text = memory_zalloc(1)};
    CURL *curl = curl_easy_init();
    int rc = curl ? get(curl, socket, path, &answer, err) : error_set(err, "libcurl cannot start");

    curl_easy_cleanup(curl);
    if (rc == 0)
        return answer.text;
    free(answer.text);
    return NULL;
}
