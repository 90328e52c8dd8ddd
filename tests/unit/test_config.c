#include "appnet/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "appnet/base/file.h"

/* libconfig 1.5 itself leaks the text of a string that the end of the file cuts off. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:strbuf_append";
}

/* Every file of these tests is written into a folder of its own, which is also the working folder.
 */
static char folder[] = "/tmp/appnet-test-XXXXXX";

static int enter_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    (void)state;
    unlink("t.conf");
    unlink("t.ini");
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static struct config *load_text(const char *path, const char *text, struct error *err)
{
    assert_int_equal(file_write(path, text, strlen(text), 0600, false, NULL), 0);
    return config_load(path, err);
}

static struct config *load_good(const char *path, const char *text)
{
    struct error err = ERROR_INIT;
    struct config *config = load_text(path, text, &err);

    if (!config)
        fail_msg("%s", err.text);
    return config;
}

static void assert_refused(const char *path, const char *text, const char *sentence)
{
    struct error err = ERROR_INIT;
    struct config *config = load_text(path, text, &err);

    assert_null(config);
    assert_string_equal(err.text, sentence);
}

static void assert_address(const struct address *address, const char *expected)
{
    char text[ADDRESS_TEXT_SIZE];

    address_format(address, text, sizeof(text));
    assert_string_equal(text, expected);
}

#define IDENTITY \
    "identity = { certificate = \"cert.pem\"; key = \"/abs/key.pem\"; ca = \"x/ca.pem\"; };\n"
#define NEEDED "instance = \"web-1\";\ntrust_domain = \"shop.example\";\n" IDENTITY
#define INI_IDENTITY "[identity]\ncertificate = cert.pem\nkey = /abs/key.pem\nca = x/ca.pem\n"
#define INI_NEEDED "[sidecar]\ninstance = web-1\ntrust_domain = shop.example\n" INI_IDENTITY

static const char full_conf[] =
    "instance     = \"web-1\";   # a comment\n"
    "trust_domain = \"shop.example\";\n"
    "state_dir    = \"state\";\n"
    "admin        = \"/run/x.sock\";\n"
    "metrics      = \"127.0.0.1:15020\";\n"
    "drain_timeout = 3600;\n"
    "tunnel = { listen = \"0.0.0.0:15008\"; advertise = \"10.0.0.5:15008\"; workers = 256; "
    "};\n" IDENTITY
    "outbounds = ( { name = \"db\"; required = true; listen = \"127.0.0.1:3306\"; },\n"
    "              { name = \"cache\"; listen = \"[::1]:6379\"; } );\n"
    "inbounds = ( { name = \"http\"; target = \"127.0.0.1:80\"; } );\n"
    "connections = ( { outbound = \"db\"; instance = \"mysql\"; inbound = \"sql\"; address = "
    "\"10.0.0.7:15008\"; } );\n"
    "allow = ( { inbound = \"http\"; instance = \"shop\"; outbound = \"blog\"; },\n"
    "          { inbound = \"http\"; instance = \"shop\"; outbound = \"feed\"; } );\n";

static const char full_ini[] = "; a comment\n"
                               "[sidecar]\n"
                               "instance     = web-1   ; a comment\n"
                               "trust_domain = shop.example\n"
                               "state_dir    = state\n"
                               "admin        = /run/x.sock\n"
                               "metrics      = 127.0.0.1:15020\n"
                               "drain_timeout = 3600\n"
                               "\n"
                               "[tunnel]\n"
                               "listen = 0.0.0.0:15008\n"
                               "advertise = 10.0.0.5:15008\n"
                               "workers = 256\n" INI_IDENTITY "# another comment\n"
                               "[outbound db]\r\n"
                               "  required = yes\r\n"
                               "  listen = 127.0.0.1:3306\r\n"
                               "[ outbound   cache ] ; a comment\n"
                               "\tlisten = [::1]:6379\n"
                               "[inbound http]\n"
                               "target = 127.0.0.1:80\n"
                               "[connection db]\n"
                               "instance = mysql\n"
                               "inbound = sql\n"
                               "address = 10.0.0.7:15008\n"
                               "[allow http]\n"
                               "instance = shop\n"
                               "outbound = blog\n"
                               "[allow http]\n"
                               "instance = shop\n"
                               "outbound = feed";

static void assert_full(const struct config *config)
{
    char path[sizeof(folder) + 32];

    assert_string_equal(config->instance, "web-1");
    assert_string_equal(config->trust_domain, "shop.example");
    snprintf(path, sizeof(path), "%s/state", folder);
    assert_string_equal(config->state_dir, path);
    assert_string_equal(config->admin, "/run/x.sock");
    assert_address(&config->metrics, "127.0.0.1:15020");
    assert_int_equal(config->drain_timeout, 3600);
    assert_address(&config->tunnel.listen, "0.0.0.0:15008");
    assert_address(&config->tunnel.advertise, "10.0.0.5:15008");
    assert_int_equal(config->tunnel.workers, 256);
    snprintf(path, sizeof(path), "%s/cert.pem", folder);
    assert_string_equal(config->identity.certificate, path);
    assert_string_equal(config->identity.key, "/abs/key.pem");
    snprintf(path, sizeof(path), "%s/x/ca.pem", folder);
    assert_string_equal(config->identity.ca, path);
    assert_int_equal(config->outbound_count, 2);
    assert_string_equal(config->outbounds[0].name, "db");
    assert_true(config->outbounds[0].required);
    assert_address(&config->outbounds[0].listen, "127.0.0.1:3306");
    assert_string_equal(config->outbounds[1].name, "cache");
    assert_false(config->outbounds[1].required);
    assert_address(&config->outbounds[1].listen, "[::1]:6379");
    assert_int_equal(config->inbound_count, 1);
    assert_string_equal(config->inbounds[0].name, "http");
    assert_address(&config->inbounds[0].target, "127.0.0.1:80");
    assert_int_equal(config->connection_count, 1);
    assert_string_equal(config->connections[0].outbound, "db");
    assert_string_equal(config->connections[0].instance, "mysql");
    assert_string_equal(config->connections[0].inbound, "sql");
    assert_address(&config->connections[0].address, "10.0.0.7:15008");
    assert_int_equal(config->allow_count, 2);
    assert_string_equal(config->allows[0].inbound, "http");
    assert_string_equal(config->allows[0].instance, "shop");
    assert_string_equal(config->allows[0].outbound, "blog");
    assert_string_equal(config->allows[1].outbound, "feed");
}

static void reads_both_forms_alike(void **state)
{
    static const int conf_lines[] = {9, 10, 11, 12, 13, 14};
    static const int ini_lines[] = {19, 22, 24, 26, 30, 33};
    const struct {
        const char *path;
        const char *text;
        const int *lines;
    } forms[] = {{"t.conf", full_conf, conf_lines}, {"t.ini", full_ini, ini_lines}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct config *config = load_good(forms[i].path, forms[i].text);

        assert_full(config);
        assert_string_equal(config->file, forms[i].path);
        assert_int_equal(config->outbounds[0].line, forms[i].lines[0]);
        assert_int_equal(config->outbounds[1].line, forms[i].lines[1]);
        assert_int_equal(config->inbounds[0].line, forms[i].lines[2]);
        assert_int_equal(config->connections[0].line, forms[i].lines[3]);
        assert_int_equal(config->allows[0].line, forms[i].lines[4]);
        assert_int_equal(config->allows[1].line, forms[i].lines[5]);
        config_free(config);
    }
}

static void assert_defaults(const char *path, const char *text)
{
    struct config *config = load_good(path, text);

    assert_null(config->state_dir);
    assert_string_equal(config->admin, "/run/appnet/web-1.sock");
    assert_int_equal(config->metrics.port, 0);
    assert_int_equal(config->drain_timeout, 25);
    assert_int_equal(config->tunnel.listen.port, 0);
    assert_int_equal(config->tunnel.advertise.port, 0);
    assert_int_equal(config->tunnel.workers, 0);
    assert_int_equal(config->outbound_count, 0);
    assert_int_equal(config->allow_count, 0);
    config_free(config);
}

static void fills_in_what_is_not_given(void **state)
{
    (void)state;
    assert_defaults("t.conf", NEEDED);
    assert_defaults("t.ini", INI_NEEDED);
    assert_defaults("t.conf", "\xef\xbb\xbf" NEEDED "outbounds = ();\n");
    assert_defaults("t.ini", "\xef\xbb\xbf" INI_NEEDED);
}

static void chooses_the_reader_by_the_name(void **state)
{
    struct error err = ERROR_INIT;

    (void)state;
    assert_null(config_load("t.yaml", &err));
    assert_string_equal(
        err.text, "t.yaml: expected a file whose name ends in .conf (libconfig) or .ini (INI)");
    assert_null(config_load(".conf", &err));
    assert_null(config_load("none.conf", &err));
    assert_string_equal(err.text, "cannot open none.conf: No such file or directory");
}

static void paths_are_relative_to_the_file(void **state)
{
    struct error err = ERROR_INIT;
    char *path = file_path(folder, "t.conf");
    struct config *config = load_text(path, NEEDED, &err);
    char *certificate = file_path(folder, "cert.pem");

    (void)state;
    assert_non_null(config);
    assert_string_equal(config->identity.certificate, certificate);
    config_free(config);
    assert_int_equal(chdir("/"), 0);
    config = config_load(path, &err);
    assert_int_equal(chdir(folder), 0);
    assert_non_null(config);
    assert_string_equal(config->identity.certificate, certificate);
    config_free(config);
    free(certificate);
    free(path);
}

static void names_what_was_expected(void **state)
{
    (void)state;
    assert_refused("t.conf",
                   NEEDED "outbounds = (\n  { name = \"db\";\n    listen = \"127.0.0.1\"; } );\n",
                   "t.conf:6: outbounds.listen: \"127.0.0.1\": expected HOST:PORT, for example "
                   "127.0.0.1:3306");
    assert_refused(
        "t.ini", INI_NEEDED "[outbound db]\nlisten = 127.0.0.1\n",
        "t.ini:9: outbound.listen: \"127.0.0.1\": expected HOST:PORT, for example 127.0.0.1:3306");
    assert_refused("t.conf", "instance = \"Web\";\n",
                   "t.conf:1: instance: \"Web\": expected 1 to 63 of a-z, 0-9 and -, beginning and "
                   "ending with a "
                   "letter or digit");
    assert_refused("t.ini", "[sidecar]\ntrust_domain = a..b\n",
                   "t.ini:2: trust_domain: \"a..b\": expected a name such as shop.example: 1 to "
                   "255 of a-z, 0-9, . "
                   "and -, each part beginning and ending with a letter or digit");
    assert_refused("t.conf", "state_dir = \"\";\n",
                   "t.conf:1: state_dir: \"\": expected the path of a folder");
    assert_refused("t.ini", "[sidecar]\nadmin =\n",
                   "t.ini:2: admin: \"\": expected the path of a socket");
    assert_refused(
        "t.conf", "metrics = \"x:0\";\n",
        "t.conf:1: metrics: \"x:0\": expected a port from 1 to 65535 after the last colon");
    assert_refused("t.conf", "metrics = \"a\\nb\\x1b\";\n",
                   "t.conf:1: metrics: \"a?b?\": expected HOST:PORT, for example 127.0.0.1:3306");
}

static void shows_a_long_value_short(void **state)
{
    char text[400];

    (void)state;
    strcpy(text, "instance = \"");
    memset(text + 12, 'x', 300);
    strcpy(text + 312, "\";\n");
    assert_refused("t.conf", text,
                   "t.conf:1: instance: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\": "
                   "expected 1 to 63 of "
                   "a-z, 0-9 and -, beginning and ending with a letter or digit");
}

static void refuses_wrong_types(void **state)
{
    (void)state;
    assert_refused("t.conf", "drain_timeout = \"25\";",
                   "t.conf:1: drain_timeout: \"25\": expected a number of seconds from 0 to 3600");
    assert_refused("t.conf", "drain_timeout = true;",
                   "t.conf:1: drain_timeout: true: expected a number of seconds from 0 to 3600");
    assert_refused(
        "t.conf", "drain_timeout = 1.5;",
        "t.conf:1: drain_timeout: a fraction: expected a number of seconds from 0 to 3600");
    assert_refused("t.conf", "metrics = 15020;",
                   "t.conf:1: metrics: 15020: expected HOST:PORT, for example 127.0.0.1:15020");
    assert_refused("t.conf", "state_dir = { };",
                   "t.conf:1: state_dir: a group: expected the path of a folder");
    assert_refused("t.conf", "state_dir = ( );",
                   "t.conf:1: state_dir: a list: expected the path of a folder");
    assert_refused("t.conf", "state_dir = [ 1 ];",
                   "t.conf:1: state_dir: a list: expected the path of a folder");
    assert_refused("t.conf", "outbounds = ( { name = \"a\"; required = \"yes\"; } );",
                   "t.conf:1: outbounds.required: \"yes\": expected true or false");
    assert_refused("t.conf", "outbounds = ( { name = \"a\"; required = 1; } );",
                   "t.conf:1: outbounds.required: 1: expected true or false");
    assert_refused("t.ini", "[outbound a]\nrequired = maybe\n",
                   "t.ini:2: outbound.required: \"maybe\": expected true or false");
    assert_refused("t.conf", "tunnel = 5;", "t.conf:1: tunnel: expected a group: tunnel = { ... }");
    assert_refused("t.conf", "tunnel = ( { } );",
                   "t.conf:1: tunnel: expected a group: tunnel = { ... }");
    assert_refused(
        "t.conf", "outbounds = { };",
        "t.conf:1: outbounds: expected a list of groups: outbounds = ( { ... }, { ... } )");
    assert_refused(
        "t.conf", "outbounds = ( { name = \"a\"; },\n 5 );",
        "t.conf:2: outbounds: expected groups in the list: outbounds = ( { ... }, { ... } )");
}

static void assert_number(const char *path, const char *format, const char *number, bool good)
{
    struct error err = ERROR_INIT;
    struct config *config;
    char text[400];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof(text), format, number);
#pragma GCC diagnostic pop
    config = load_text(path, text, &err);
    assert_int_equal(config != NULL, good);
    if (!good)
        assert_non_null(strstr(err.text, ": expected a number "));
    config_free(config);
}

static void holds_numbers_in_range(void **state)
{
    static const char conf_drain[] = NEEDED "drain_timeout = %s;\n";
    static const char ini_drain[] =
        "[sidecar]\ndrain_timeout = %s\ninstance = a\ntrust_domain = b\n" INI_IDENTITY;
    static const char conf_workers[] = NEEDED "tunnel = { workers = %s; };\n";
    static const char ini_workers[] = INI_NEEDED "[tunnel]\nworkers = %s\n";

    (void)state;
    assert_number("t.conf", conf_drain, "0", true);
    assert_number("t.conf", conf_drain, "3600", true);
    assert_number("t.conf", conf_drain, "-1", false);
    assert_number("t.conf", conf_drain, "3601", false);
    assert_number("t.conf", conf_drain, "4294967296L", false);
    assert_number("t.ini", ini_drain, "0", true);
    assert_number("t.ini", ini_drain, "3600", true);
    assert_number("t.ini", ini_drain, "-1", false);
    assert_number("t.ini", ini_drain, "3601", false);
    assert_number("t.ini", ini_drain, "99999999999999999999999", false);
    assert_number("t.ini", ini_drain, "12x", false);
    assert_number("t.ini", ini_drain, "", false);
    assert_number("t.conf", conf_workers, "0", true);
    assert_number("t.conf", conf_workers, "256", true);
    assert_number("t.conf", conf_workers, "257", false);
    assert_number("t.ini", ini_workers, "256", true);
    assert_number("t.ini", ini_workers, "257", false);
}

static void refuses_what_it_does_not_know(void **state)
{
    (void)state;
    assert_refused("t.conf", "tunnel = { lisen = \"0.0.0.0:1\"; };",
                   "t.conf:1: tunnel.lisen: unknown option; did you mean listen?");
    assert_refused("t.conf", "tunnel = { port = 1; };",
                   "t.conf:1: tunnel.port: unknown option; there are: listen, advertise, workers");
    assert_refused("t.conf", "instanse = \"a\";",
                   "t.conf:1: instanse: unknown option; did you mean instance?");
    assert_refused("t.conf", "outbound = ( );",
                   "t.conf:1: outbound: unknown option; did you mean outbounds?");
    assert_refused("t.conf", "zebra = 1;", "t.conf:1: zebra: unknown option");
    assert_refused("t.conf", "sidecar = { };", "t.conf:1: sidecar: unknown option");
    assert_refused("t.ini", "[sidecar]\nlisten = 1\n",
                   "t.ini:2: listen: unknown option; there are: instance, trust_domain, state_dir, "
                   "admin, metrics, "
                   "drain_timeout");
    assert_refused("t.ini", "[outbounds db]\n",
                   "t.ini:1: outbounds: unknown section; did you mean outbound?");
    assert_refused("t.ini", "[zebra]\n", "t.ini:1: zebra: unknown section");
    assert_refused("t.ini", "[]\n",
                   "t.ini:1: expected a section, such as [tunnel] or [outbound db]");
}

static void refuses_what_is_given_twice(void **state)
{
    (void)state;
    assert_refused("t.conf", "instance = \"a\";\ninstance = \"b\";\n",
                   "t.conf:2: duplicate setting name");
    assert_refused("t.ini", "[sidecar]\ninstance = a\ninstance = b\n",
                   "t.ini:3: instance: given twice");
    assert_refused("t.ini", "[tunnel]\n[tunnel]\n", "t.ini:2: tunnel: given twice");
    assert_refused("t.ini", "[outbound db]\nname = db\n", "t.ini:2: outbound.name: given twice");
}

static void refuses_what_is_missing(void **state)
{
    (void)state;
    assert_refused("t.conf", "",
                   "t.conf: instance: missing; expected 1 to 63 of a-z, 0-9 and -, beginning and "
                   "ending with a "
                   "letter or digit");
    assert_refused("t.conf", "instance = \"a\";\ntrust_domain = \"b\";\n",
                   "t.conf: identity: missing; expected certificate, key and ca");
    assert_refused("t.ini", "[sidecar]\ninstance = a\ntrust_domain = b\n",
                   "t.ini: identity: missing; expected certificate, key and ca");
    assert_refused("t.conf", "identity = { certificate = \"a\"; ca = \"b\"; };\n",
                   "t.conf:1: identity.key: missing; expected the path of a file");
    assert_refused("t.ini", INI_NEEDED "[allow x]\ninstance = a\n[tunnel]\n",
                   "t.ini:8: allow.outbound: missing; expected 1 to 63 of a-z, 0-9 and -, "
                   "beginning and ending with "
                   "a letter or digit");
    assert_refused("t.conf", NEEDED "outbounds = ( { name = \"db\"; } );",
                   "t.conf:4: outbounds.listen: missing; needed without a registry: expected "
                   "HOST:PORT, for example "
                   "127.0.0.1:3306");
    assert_refused(
        "t.ini", INI_NEEDED "[connection x]\ninstance = a\ninbound = b",
        "t.ini:8: connection.address: missing; expected HOST:PORT, for example 10.0.0.7:15008");
}

#define MEMBER "instance = \"a\"; trust_domain = \"b\";\nregistry = { address = \"r:1\"; };\n"
#define NOT_BOTH                                                                           \
    "identity, connections and allow come from the registry: leave them out of the file, " \
    "or the registry"

static void takes_a_registry_instead_of_files(void **state)
{
    struct config *config =
        load_good("t.conf", "instance = \"a\"; trust_domain = \"b\";\n"
                            "registry = { address = \"r:1\"; join_token_file = \"f\"; };\n"
                            "outbounds = ( { name = \"db\"; } );\n");

    (void)state;
    assert_string_equal(config->registry.address, "r:1");
    assert_string_equal(config->state_dir, "/var/lib/appnet/a");
    assert_int_equal(config->outbounds[0].listen.port, 0);
    config_free(config);
    config = load_good("t.conf", MEMBER "state_dir = \"/here\";\n");
    assert_string_equal(config->state_dir, "/here");
    assert_null(config->registry.join_token_file);
    config_free(config);
    config = load_good("t.conf", NEEDED);
    assert_null(config->state_dir);
    config_free(config);
}

static void refuses_files_beside_a_registry(void **state)
{
    (void)state;
    assert_refused("t.conf", MEMBER IDENTITY, "t.conf:2: registry: " NOT_BOTH);
    assert_refused("t.conf",
                   MEMBER "inbounds = ( { name = \"h\"; target = \"127.0.0.1:80\"; } );\n"
                          "tunnel = { listen = \"0.0.0.0:15008\"; };\n"
                          "allow = ( { inbound = \"h\"; instance = \"x\"; outbound = \"y\"; } );\n",
                   "t.conf:2: registry: " NOT_BOTH);
    assert_refused("t.ini", INI_NEEDED "[registry]\naddress = r:1\n",
                   "t.ini:8: registry: " NOT_BOTH);
    assert_refused("t.conf", MEMBER "tunnel = { advertise = \"0.0.0.0:1\"; };",
                   "t.conf:3: tunnel.advertise: \"0.0.0.0\": expected the address that other "
                   "machines reach this one by");
    assert_refused(
        "t.conf", "registry = { address = \"r\"; };",
        "t.conf:1: registry.address: \"r\": expected HOST:PORT, for example 127.0.0.1:3306");
}

#define TUNNEL "tunnel = { listen = \"0.0.0.0:15008\"; };\n"
#define PLUG(name, port) "{ name = \"" name "\"; listen = \"127.0.0.1:" port "\"; }"
#define HUB(name) "{ name = \"" name "\"; target = \"127.0.0.1:80\"; }"
#define WIRE(outbound, instance)                            \
    "{ outbound = \"" outbound "\"; instance = \"" instance \
    "\"; inbound = \"sql\"; address = \"10.0.0.7:15008\"; }"
#define ALLOW(inbound, instance) \
    "{ inbound = \"" inbound "\"; instance = \"" instance "\"; outbound = \"o\"; }"

static void holds_names_apart(void **state)
{
    (void)state;
    assert_refused("t.conf", NEEDED "outbounds = ( " PLUG("a", "1") ",\n" PLUG("a", "2") " );",
                   "t.conf:5: outbounds.name: \"a\" is used already in line 4: inbounds and "
                   "outbounds share their "
                   "names");
    assert_refused("t.conf", NEEDED TUNNEL "inbounds = ( " HUB("a") ",\n" HUB("a") " );",
                   "t.conf:6: inbounds.name: \"a\" is used already in line 5: inbounds and "
                   "outbounds share their "
                   "names");
    assert_refused(
        "t.ini",
        INI_NEEDED
        "[tunnel]\nlisten = [::]:15008\n[inbound a]\ntarget = x:1\n[outbound a]\nlisten = x:2\n",
        "t.ini:10: inbound.name: \"a\" is used already in line 12: inbounds and outbounds share "
        "their "
        "names");
}

static void an_inbound_needs_the_tunnels_socket(void **state)
{
    (void)state;
    assert_refused("t.conf", NEEDED "inbounds = ( " HUB("a") " );",
                   "t.conf:4: inbounds: \"a\" cannot be reached without tunnel.listen: expected "
                   "HOST:PORT there, for "
                   "example 0.0.0.0:15008");
}

static void holds_the_rules_of_connecting(void **state)
{
    static const char plugs[] = "outbounds = ( " PLUG("a", "1") ", " PLUG("b", "2") " );\n";
    char text[1000];

    (void)state;
    snprintf(text, sizeof(text), "%s%s%s", NEEDED, plugs,
             "connections = ( " WIRE("c", "mysql") " );");
    assert_refused(
        "t.conf", text,
        "t.conf:5: connections.outbound: \"c\": expected the name of an outbound of this file");
    snprintf(text, sizeof(text), "%s%s%s", NEEDED, plugs,
             "connections = ( " WIRE("a", "mysql") ",\n" WIRE("b", "mysql") ",\n" WIRE(
                 "a", "other") " );");
    assert_refused("t.conf", text,
                   "t.conf:7: connections.outbound: \"a\" has a connection already in line 5: an "
                   "outbound has one at "
                   "most");
    snprintf(text, sizeof(text), "%s%s%s", NEEDED, plugs,
             "connections = ( " WIRE("a", "web-1") " );");
    assert_refused("t.conf", text,
                   "t.conf:5: connections.instance: \"web-1\": expected another instance: none is "
                   "connected to itself");
    assert_refused("t.conf",
                   NEEDED TUNNEL "inbounds = ( " HUB("a") " );\nallow = ( " ALLOW("b", "x") " );",
                   "t.conf:6: allow.inbound: \"b\": expected the name of an inbound of this file");
    assert_refused("t.conf",
                   NEEDED TUNNEL
                   "inbounds = ( " HUB("a") " );\nallow = ( " ALLOW("a", "web-1") " );",
                   "t.conf:6: allow.instance: \"web-1\": expected another instance: none is "
                   "connected to itself");
}

static void assert_collide(const char *first, const char *second, bool collide)
{
    struct error err = ERROR_INIT;
    struct config *config;
    char text[1000];

    snprintf(text, sizeof(text), "%s[outbound a]\nlisten = %s\n[outbound b]\nlisten = %s\n",
             INI_NEEDED, first, second);
    config = load_text("t.ini", text, &err);
    assert_int_equal(config == NULL, collide);
    if (collide)
        assert_non_null(strstr(err.text, "t.ini:10: outbound.listen: "));
    config_free(config);
}

static void two_sockets_cannot_share_an_address(void **state)
{
    (void)state;
    assert_collide("127.0.0.1:80", "127.0.0.1:80", true);
    assert_collide("LocalHost:80", "localhost:80", true);
    assert_collide("0.0.0.0:80", "127.0.0.1:80", true);
    assert_collide("127.0.0.1:80", "0.0.0.0:80", true);
    assert_collide("[::]:80", "[::1]:80", true);
    assert_collide("127.0.0.1:80", "127.0.0.1:81", false);
    assert_collide("127.0.0.1:80", "127.0.0.2:80", false);
    assert_collide("0.0.0.0:80", "[::1]:80", false);
    assert_refused("t.conf", NEEDED TUNNEL "metrics = \"127.0.0.1:15008\";\n",
                   "t.conf:5: metrics: \"127.0.0.1:15008\" is listened on already by line 4: "
                   "expected another address "
                   "or port");
    assert_refused("t.conf", NEEDED TUNNEL "outbounds = ( " PLUG("a", "15008") " );\n",
                   "t.conf:5: outbounds.listen: \"127.0.0.1:15008\" is listened on already by line "
                   "4: expected "
                   "another address or port");
}

static void the_admin_socket_must_fit(void **state)
{
    struct error err = ERROR_INIT;
    struct config *config;
    char text[600];
    char path[120];

    (void)state;
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[107] = '\0';
    snprintf(text, sizeof(text), NEEDED "admin = \"%s\";\n", path);
    config_free(load_good("t.conf", text));
    path[107] = 'x';
    path[108] = '\0';
    snprintf(text, sizeof(text), NEEDED "admin = \"%s\";\n", path);
    config = load_text("t.conf", text, &err);
    assert_null(config);
    assert_non_null(strstr(err.text, "t.conf:4: admin: "));
    assert_non_null(strstr(err.text, "expected a path of at most 107 bytes"));
}

static void refuses_bad_ini_lines(void **state)
{
    (void)state;
    assert_refused("t.ini", "instance = a\n",
                   "t.ini:1: instance: expected a section first: [sidecar]");
    assert_refused("t.ini", "[sidecar]\n\ninstance\n", "t.ini:3: expected OPTION = VALUE");
    assert_refused("t.ini", "[sidecar]\nnonsense\nzebra = 1\n", "t.ini:2: expected OPTION = VALUE");
    assert_refused("t.ini", "[sidecar]\nzebra = 1\nnonsense\n",
                   "t.ini:2: zebra: unknown option; there are: instance, trust_domain, state_dir, "
                   "admin, metrics, "
                   "drain_timeout");
    assert_refused("t.ini", "[sidecar\n",
                   "t.ini:1: expected a section, such as [tunnel] or [outbound db]");
    assert_refused("t.ini", "[sidecar] instance = a\n",
                   "t.ini:1: expected a section, such as [tunnel] or [outbound db]");
    assert_refused("t.ini", "[outbound]\n", "t.ini:1: outbound: expected [outbound NAME]");
    assert_refused("t.ini", "[tunnel x]\n", "t.ini:1: tunnel: expected [tunnel] alone");
    assert_refused("t.ini", "[outbound a b]\n",
                   "t.ini:1: outbound.name: \"a b\": expected 1 to 63 of a-z, 0-9 and -, beginning "
                   "and ending with a "
                   "letter or digit");
    assert_refused(
        "t.ini", "[sidecar]\n= a\n",
        "t.ini:2: : unknown option; there are: instance, trust_domain, state_dir, admin, metrics, "
        "drain_timeout");
}

/* inih alone would take an indented option for a part of the one before it. */
static void indentation_means_nothing_in_ini(void **state)
{
    struct config *config =
        load_good("t.ini", "[sidecar]\ninstance = a\n   trust_domain = b\n" INI_IDENTITY);

    (void)state;
    assert_string_equal(config->instance, "a");
    assert_string_equal(config->trust_domain, "b");
    config_free(config);
    assert_refused("t.ini", "[sidecar]\ninstance = a\n  b\n", "t.ini:3: expected OPTION = VALUE");
}

/* inih alone would cut the name of a section at 49 bytes and an option at its buffer's end. */
static void nothing_is_cut_in_ini(void **state)
{
    char name[64];
    char text[2000];
    struct error err = ERROR_INIT;
    struct config *config;

    (void)state;
    memset(name, 'n', 63);
    name[63] = '\0';
    snprintf(text, sizeof(text), INI_NEEDED "[outbound %s]\nlisten = a:1\n", name);
    config = load_good("t.ini", text);
    assert_string_equal(config->outbounds[0].name, name);
    config_free(config);

    for (int length = 150; length < 400; length++) {
        char *path;

        snprintf(text, sizeof(text), "%s",
                 "[sidecar]\ninstance = a\ntrust_domain = b\nstate_dir = /");
        path = strrchr(text, '/');
        memset(path + 1, 'p', (size_t)length);
        snprintf(path + 1 + length, 200, "\n%s", INI_IDENTITY);
        config = load_text("t.ini", text, &err);
        if (config)
            assert_int_equal(strlen(config->state_dir), length + 1);
        else
            assert_non_null(strstr(err.text, "t.ini:4: expected a line of at most "));
        config_free(config);
    }

    /* Comments may be of any length. */
    memset(text, ';', 1000);
    snprintf(text + 1000, sizeof(text) - 1000, "\n%s", INI_NEEDED);
    config_free(load_good("t.ini", text));
}

static void refuses_bad_libconfig(void **state)
{
    (void)state;
    assert_refused("t.conf", "instance = \"a\";\ntrust_domain = = \"b\";\n",
                   "t.conf:2: syntax error");
    assert_refused("t.conf", "instance = \"a\";\n  @include \".\"\n",
                   "t.conf:2: @include is not supported: one file holds it all");
}

static void refuses_zero_bytes(void **state)
{
    static const char text[] = "instance = \"a\";\n\0trust_domain";
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(file_write("t.conf", text, sizeof(text) - 1, 0600, false, NULL), 0);
    assert_null(config_load("t.conf", &err));
    assert_string_equal(err.text, "t.conf:2: a zero byte: expected text");
}

/* Whatever a file ends with: it loads, or there is a sentence that begins with the file's name. */
static void assert_survives(const char *path, const char *text, size_t size)
{
    struct error err = ERROR_INIT;
    FILE *file = fopen(path, "w");
    struct config *config;

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    fclose(file);
    config = config_load(path, &err);
    if (!config)
        assert_memory_equal(err.text, path, strlen(path));
    config_free(config);
}

static void survives_being_cut_anywhere(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(full_conf); size++)
        assert_survives("t.conf", full_conf, size);
    for (size_t size = 0; size < sizeof(full_ini); size++)
        assert_survives("t.ini", full_ini, size);
}

static void survive_changed_bytes(const char *path, const char *original, size_t size)
{
    static const char bytes[] = "\"=[](){};:\n\0 \xff"
                                "9";
    char text[2000];

    for (size_t at = 0; at < size; at++) {
        memcpy(text, original, size);
        text[at] = bytes[at % (sizeof(bytes) - 1)];
        assert_survives(path, text, size);
    }
}

static void survives_changed_bytes(void **state)
{
    (void)state;
    survive_changed_bytes("t.conf", full_conf, sizeof(full_conf) - 1);
    survive_changed_bytes("t.ini", full_ini, sizeof(full_ini) - 1);
}

static void finds_by_name(void **state)
{
    struct config *config = load_good("t.conf", full_conf);

    (void)state;
    assert_ptr_equal(config_find_outbound(config, "cache"), &config->outbounds[1]);
    assert_null(config_find_outbound(config, "http"));
    assert_ptr_equal(config_find_inbound(config, "http"), &config->inbounds[0]);
    assert_null(config_find_inbound(config, "db"));
    assert_ptr_equal(config_find_connection(config, "db"), &config->connections[0]);
    assert_null(config_find_connection(config, "cache"));
    config_free(config);
    config_free(NULL);
}

int main(void)
{
    const struct CMUnitTest config[] = {
        cmocka_unit_test(reads_both_forms_alike),
        cmocka_unit_test(fills_in_what_is_not_given),
        cmocka_unit_test(chooses_the_reader_by_the_name),
        cmocka_unit_test(paths_are_relative_to_the_file),
        cmocka_unit_test(names_what_was_expected),
        cmocka_unit_test(shows_a_long_value_short),
        cmocka_unit_test(refuses_wrong_types),
        cmocka_unit_test(holds_numbers_in_range),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(refuses_what_is_given_twice),
        cmocka_unit_test(refuses_what_is_missing),
        cmocka_unit_test(takes_a_registry_instead_of_files),
        cmocka_unit_test(refuses_files_beside_a_registry),
        cmocka_unit_test(holds_names_apart),
        cmocka_unit_test(an_inbound_needs_the_tunnels_socket),
        cmocka_unit_test(holds_the_rules_of_connecting),
        cmocka_unit_test(two_sockets_cannot_share_an_address),
        cmocka_unit_test(the_admin_socket_must_fit),
        cmocka_unit_test(refuses_bad_ini_lines),
        cmocka_unit_test(indentation_means_nothing_in_ini),
        cmocka_unit_test(nothing_is_cut_in_ini),
        cmocka_unit_test(refuses_bad_libconfig),
        cmocka_unit_test(refuses_zero_bytes),
        cmocka_unit_test(survives_being_cut_anywhere),
        cmocka_unit_test(survives_changed_bytes),
        cmocka_unit_test(finds_by_name),
    };

    return cmocka_run_group_tests(config, enter_folder, leave_folder);
}
