#include "sidecar_client.h"

#include <curl/curl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "appnet/base/memory.h"

static char *find_only(const char *folder, struct error *err)
{
    char *pattern = memory_printf("%s/*.sock", folder);
    glob_t found = {.gl_pathc = 0};
    char *socket = NULL;
    int rc = glob(pattern, 0, NULL, &found);

    if (rc == 0 && found.gl_pathc == 1) {
        socket = memory_strdup(found.gl_pathv[0]);
    } else if (rc == 0) {
        error_set(err, "there are %zu sidecars in %s: choose one by --sidecar SOCKET",
                  found.gl_pathc, folder);
    } else {
        error_set(err, "there is no sidecar in %s: name its socket by --sidecar SOCKET", folder);
    }
    globfree(&found);
    free(pattern);
    return socket;
}

/* What was chosen, or NULL. */
static const char *chosen(const char *given)
{
    const char *socket = given ? given : getenv("APPNET_SIDECAR");

    return socket && *socket ? socket : NULL;
}

char *sidecar_find(const char *given, const char *folder, struct error *err)
{
    const char *socket = chosen(given);

    return socket ? memory_strdup(socket) : find_only(folder, err);
}

bool sidecar_may_come(const char *given, const char *folder)
{
    char *pattern = memory_printf("%s/*.sock", folder);
    glob_t found = {.gl_pathc = 0};
    bool several = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 1;

    globfree(&found);
    free(pattern);
    return chosen(given) || !several;
}

static int get(CURL *curl, const char *socket, const char *path, long timeout,
               struct answer *answer, struct error *err)
{
    char *url = memory_printf("http://sidecar%s", path);
    char reason[CURL_ERROR_SIZE] = "";
    long status = 0;
    long number = 0;
    CURLcode rc;

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    /* Whatever the environment says of proxies, this is a local socket. */
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, answer_take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    rc = curl_easy_perform(curl);
    free(url);
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
    if (rc == CURLE_COULDNT_CONNECT && number != 0) {
        /* libcurl's own words are of a host and a port. */
        return error_set(err, "the sidecar at %s does not answer: %s; does it run?", socket,
                         strerror((int)number));
    }
    if (rc != CURLE_OK) {
        return error_set(err, "the sidecar at %s does not answer: %s", socket,
                         *reason ? reason : curl_easy_strerror(rc));
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        return error_set(err, "the sidecar at %s answered %s with HTTP status %ld", socket, path,
                         status);
    }
    return 0;
}

char *sidecar_get(const char *socket, const char *path, long timeout, struct error *err)
{
    struct answer answer;
    CURL *curl = curl_easy_init();
    int rc;

    answer_init(&answer);
    rc = curl ? get(curl, socket, path, timeout, &answer, err)
              : error_set(err, "libcurl cannot start");
    curl_easy_cleanup(curl);
    if (rc == 0) {
        return answer.text;
    }
    answer_clear(&answer);
    return NULL;
}
