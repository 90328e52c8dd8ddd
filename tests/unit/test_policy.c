#include "appnet/sidecar/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sidecar_support.h"
#include "support.h"

static struct snapshot *snapshot;

static int set_up(void **state)
{
    if (support_enter_folder(state) != 0)
        return -1;
    snapshot = support_snapshot(SUPPORT_LISTS, NULL);
    return snapshot ? 0 : -1;
}

static int tear_down(void **state)
{
    snapshot_unref(snapshot);
    return support_leave_folder(state);
}

/* What blog's plug "page" asks for when it is in order. */
static struct stream_request request_of_blog(void)
{
    struct stream_request request = {.inbound = "http",
                                     .instance = "shop",
                                     .trust_domain = "shop.example",
                                     .port = 80,
                                     .outbound = "page"};

    return request;
}

static void assert_refused(const char *peer, const struct stream_request *request, unsigned status,
                           const char *reason, const char *why)
{
    struct policy_verdict verdict;

    memset(&verdict, 0xff, sizeof(verdict));
    policy_decide(snapshot, peer, request, &verdict);
    assert_int_equal(verdict.status, status);
    assert_string_equal(verdict.reason, reason);
    assert_null(verdict.inbound);
    assert_string_equal(verdict.why.text, why);
}

static void assert_allowed(const char *peer, const struct stream_request *request)
{
    struct policy_verdict verdict;

    memset(&verdict, 0xff, sizeof(verdict));
    policy_decide(snapshot, peer, request, &verdict);
    assert_int_equal(verdict.status, 200);
    assert_null(verdict.reason);
    assert_string_equal(verdict.why.text, "");
    assert_ptr_equal(verdict.inbound, snapshot_find_inbound(snapshot, request->inbound));
}

static void lets_connections_through(void **state)
{
    struct stream_request request = request_of_blog();

    (void)state;
    assert_allowed("blog", &request);
    request.probe = true;
    assert_allowed("blog", &request);
    request.port = 1; /* where the plug listens is not the hub's business */
    assert_allowed("blog", &request);
    snprintf(request.outbound, sizeof(request.outbound), "tools");
    assert_allowed("desk", &request);
    snprintf(request.inbound, sizeof(request.inbound), "admin");
    assert_allowed("desk", &request);
}

static void refuses_what_it_does_not_understand(void **state)
{
    (void)state;
    assert_refused("blog", NULL, 400, "bad-request",
                   "the peer asks for something other than a CONNECT to "
                   "INBOUND.INSTANCE.TRUST-DOMAIN:PORT from a named outbound");
}

static void refuses_what_is_meant_for_another(void **state)
{
    struct stream_request request = request_of_blog();

    (void)state;
    snprintf(request.instance, sizeof(request.instance), "shop2");
    assert_refused("blog", &request, 404, "interface-withdrawn",
                   "the peer asks for instance shop2 of shop.example; this is shop of "
                   "shop.example");
    request = request_of_blog();
    snprintf(request.trust_domain, sizeof(request.trust_domain), "other.example");
    assert_refused("blog", &request, 404, "interface-withdrawn",
                   "the peer asks for instance shop of other.example; this is shop of "
                   "shop.example");
}

static void refuses_an_inbound_that_does_not_exist(void **state)
{
    struct stream_request request = request_of_blog();

    (void)state;
    snprintf(request.inbound, sizeof(request.inbound), "https");
    assert_refused("blog", &request, 404, "interface-withdrawn",
                   "this instance has no inbound https");
    snprintf(request.inbound, sizeof(request.inbound), "db"); /* an outbound */
    assert_refused("blog", &request, 404, "interface-withdrawn", "this instance has no inbound db");
}

static void refuses_whoever_is_not_connected(void **state)
{
    struct stream_request request = request_of_blog();

    (void)state;
    /* the peer is who its certificate says, whatever plug it names */
    assert_refused("desk", &request, 403, "not-authorised",
                   "inbound http is not connected to outbound page of desk");
    assert_refused("mallory", &request, 403, "not-authorised",
                   "inbound http is not connected to outbound page of mallory");
    assert_refused("", &request, 403, "not-authorised",
                   "inbound http is not connected to outbound page of ");
    snprintf(request.outbound, sizeof(request.outbound), "tools");
    assert_refused("blog", &request, 403, "not-authorised",
                   "inbound http is not connected to outbound tools of blog");
    snprintf(request.inbound, sizeof(request.inbound), "admin");
    assert_refused("blog", &request, 403, "not-authorised",
                   "inbound admin is not connected to outbound tools of blog");
    request.probe = true; /* a probe learns no more than a CONNECT would */
    assert_refused("blog", &request, 403, "not-authorised",
                   "inbound admin is not connected to outbound tools of blog");
}

static void refuses_another_port_than_that_of_the_rule(void **state)
{
    struct stream_request request = request_of_blog();
    uint16_t port = snapshot_find_inbound(snapshot, "http")->target.port;
    char why[ERROR_TEXT_SIZE];

    (void)state;
    for (unsigned i = 0; i < snapshot->allow_count; i++) {
        snapshot->allows[i].port = (uint16_t)(port + 1);
    }
    snprintf(why, sizeof why,
             "the rule of inbound http names port %u, and it is at port %u here: look at inbounds "
             "in the configuration",
             port + 1u, port);
    assert_refused("blog", &request, 404, "interface-withdrawn", why);
    for (unsigned i = 0; i < snapshot->allow_count; i++) {
        snapshot->allows[i].port = port;
    }
    assert_allowed("blog", &request);
    for (unsigned i = 0; i < snapshot->allow_count; i++) {
        snapshot->allows[i].port = 0;
    }
    assert_allowed("blog", &request);
}

int main(void)
{
    const struct CMUnitTest policy[] = {
        cmocka_unit_test(lets_connections_through),
        cmocka_unit_test(refuses_what_it_does_not_understand),
        cmocka_unit_test(refuses_what_is_meant_for_another),
        cmocka_unit_test(refuses_an_inbound_that_does_not_exist),
        cmocka_unit_test(refuses_whoever_is_not_connected),
        cmocka_unit_test(refuses_another_port_than_that_of_the_rule),
    };

    return cmocka_run_group_tests(policy, set_up, tear_down);
}
