#include "appnet/registry/descriptor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "registry_support.h"

/* Texts are written with ' for ". */
static char *quoted(const char *text)
{
    char *copy = strdup(text);

    assert_non_null(copy);
    for (char *c = copy; *c != '\0'; c++) {
        if (*c == '\'') {
            *c = '"';
        }
    }
    return copy;
}

static struct model_instance *parse(const char *text, struct problems *problems)
{
    char *json = quoted(text);
    struct model_instance *instance = descriptor_parse("mysql", json, strlen(json), problems);

    free(json);
    return instance;
}

/* Exactly these sentences, which NULL ends, in this order. */
static void assert_sentences(struct problems *problems, const char *const *sentences)
{
    unsigned count = 0;

    for (; sentences[count]; count++) {
        assert_true(count < problems->count);
        assert_string_equal(problems->sentences[count], sentences[count]);
    }
    assert_int_equal(problems->count, count);
    problems_clear(problems);
}

static void assert_problems(const char *text, const char *const *sentences)
{
    struct problems problems = PROBLEMS_INIT;

    assert_null(parse(text, &problems));
    assert_sentences(&problems, sentences);
}

#define PROBLEMS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void assert_describes(const char *text, const char *words)
{
    struct problems problems = PROBLEMS_INIT;
    struct model_instance *instance = parse(text, &problems);
    struct model_instance *expected = support_instance("mysql", words);

    assert_non_null(instance);
    assert_int_equal(problems.count, 0);
    assert_string_equal(instance->name, "mysql");
    assert_true(instance->applied);
    assert_true(model_interfaces_equal(instance, expected));
    model_instance_free(instance);
    model_instance_free(expected);
}

static void reads_a_descriptor(void **state)
{
    (void)state;
    assert_describes("{'inbound_net_interfaces':[{'name':'sql'}],"
                     "'outbound_net_interfaces':[{'name':'db','required':true}],"
                     "'rules':[{'name':'sql','target_port':3306,'access':'INBOUND_APPNET',"
                     "'inbound_net_interface':'sql'}]}",
                     "sql:3306 db!");
    assert_describes("{'name':'mysql','outbound_net_interfaces':[{'name':'a'},"
                     "{'name':'b','required':false}]}",
                     "a b");
    assert_describes("{'inbound_net_interfaces':[],'outbound_net_interfaces':[],'rules':[]}", "");
    assert_describes("{}", "");
}

static void keeps_the_names_of_rules(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    struct model_instance *instance;

    (void)state;
    instance = parse("{'inbound_net_interfaces':[{'name':'a'},{'name':'b'}],"
                     "'rules':[{'name':'for everybody','target_port':65535,"
                     "'access':'INBOUND_APPNET','inbound_net_interface':'b'},"
                     "{'name':'one','target_port':1,'access':'INBOUND_APPNET',"
                     "'inbound_net_interface':'a'}]}",
                     &problems);
    assert_non_null(instance);
    assert_string_equal(model_interface_find(instance, "b")->rule, "for everybody");
    assert_int_equal(model_interface_find(instance, "b")->port, 65535);
    assert_string_equal(model_interface_find(instance, "a")->rule, "one");
    assert_int_equal(model_interface_find(instance, "a")->port, 1);
    model_instance_free(instance);
}

static void a_name_is_defined_once(void **state)
{
    (void)state;
    assert_problems("{'outbound_net_interfaces':[{'name':'db'},{'name':'db','required':true}]}",
                    PROBLEMS("outbound db is defined twice"));
    assert_problems("{'inbound_net_interfaces':[{'name':'db'}],"
                    "'outbound_net_interfaces':[{'name':'db'}],"
                    "'rules':[{'name':'r','target_port':1,'access':'INBOUND_APPNET',"
                    "'inbound_net_interface':'db'}]}",
                    PROBLEMS("db is defined twice, as an inbound and as an outbound: they share "
                             "their names, so choose another for one of them"));
    assert_problems("{'inbound_net_interfaces':[{'name':'a'},{'name':'b'}],"
                    "'rules':[{'name':'r','target_port':1,'access':'INBOUND_APPNET',"
                    "'inbound_net_interface':'a'},"
                    "{'name':'r','target_port':2,'access':'INBOUND_APPNET',"
                    "'inbound_net_interface':'b'}]}",
                    PROBLEMS("rule r is defined twice"));
}

static void an_inbound_has_one_rule(void **state)
{
    (void)state;
    assert_problems(
        "{'inbound_net_interfaces':[{'name':'sql'}]}",
        PROBLEMS("inbound sql has no rule: expected one in rules with its target_port"));
    assert_problems("{'inbound_net_interfaces':[{'name':'sql'}],"
                    "'rules':[{'name':'r','target_port':1,'access':'INBOUND_APPNET',"
                    "'inbound_net_interface':'sql'},"
                    "{'name':'s','target_port':2,'access':'INBOUND_APPNET',"
                    "'inbound_net_interface':'sql'}]}",
                    PROBLEMS("inbound sql has two rules, r and s: one port is all it has"));
}

static void a_rule_is_for_an_inbound_that_is_there(void **state)
{
    (void)state;
    assert_problems("{'rules':[{'name':'r','target_port':1,'access':'INBOUND_APPNET',"
                    "'inbound_net_interface':'sql'}]}",
                    PROBLEMS("rule r is for sql, which is not defined in inbound_net_interfaces"));
    assert_problems("{'outbound_net_interfaces':[{'name':'db'}],"
                    "'rules':[{'name':'r','target_port':1,'access':'INBOUND_APPNET',"
                    "'inbound_net_interface':'db'}]}",
                    PROBLEMS("rule r is for db, which is an outbound: a rule is for an inbound"));
    assert_problems("{'rules':[{'name':'r','target_port':1,'access':'INBOUND_APPNET'}]}",
                    PROBLEMS("rule r has no inbound_net_interface: expected the name of an "
                             "inbound"));
}

/* A rule whose port is wrong is still the rule of its inbound. */
static void a_rule_has_a_port_in_range(void **state)
{
    static const struct {
        const char *port;
        const char *sentence;
    } cases[] = {
        {"", "rule r has no target_port: expected an integer from 1 to 65535"},
        {"'target_port':0,", "rule r: target_port 0 is out of range: expected an integer from 1 to "
                             "65535"},
        {"'target_port':65536,", "rule r: target_port 65536 is out of range: expected an integer "
                                 "from 1 to 65535"},
        {"'target_port':-1,", "rule r: target_port -1 is out of range: expected an integer from 1 "
                              "to 65535"},
        {"'target_port':4294967297,", "rule r: target_port 4294967297 is out of range: expected an "
                                      "integer from 1 to 65535"},
        {"'target_port':80.5,", "rule r: target_port is a number with a fraction: expected an "
                                "integer from 1 to 65535"},
        {"'target_port':'80',", "rule r: target_port is a string: expected an integer from 1 to "
                                "65535"},
        {"'target_port':null,", "rule r: target_port is null: expected an integer from 1 to "
                                "65535"},
    };
    char text[512];

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text,
                 "{'inbound_net_interfaces':[{'name':'sql'}],'rules':[{'name':'r',%s"
                 "'access':'INBOUND_APPNET','inbound_net_interface':'sql'}]}",
                 cases[i].port);
        assert_problems(text, PROBLEMS(cases[i].sentence));
    }
}

static void a_rule_has_a_name(void **state)
{
    (void)state;
    assert_problems("{'inbound_net_interfaces':[{'name':'sql'}],'rules':[{'target_port':1,"
                    "'access':'INBOUND_APPNET','inbound_net_interface':'sql'}]}",
                    PROBLEMS("rules[0] has no name: expected 1 to 63 characters"));
    assert_problems("{'inbound_net_interfaces':[{'name':'sql'}],'rules':[{'name':'',"
                    "'target_port':1,'access':'INBOUND_APPNET','inbound_net_interface':'sql'}]}",
                    PROBLEMS("rules[0]: name is \"\": expected 1 to 63 characters"));
    assert_problems("{'inbound_net_interfaces':[{'name':'sql'}],'rules':[{'name':'a\\u001bb',"
                    "'target_port':1,'access':'INBOUND_APPNET','inbound_net_interface':'sql'}]}",
                    PROBLEMS("rules[0]: name is \"a?b\": expected 1 to 63 characters"));
}

static void access_is_by_appnet(void **state)
{
    (void)state;
    assert_problems("{'inbound_net_interfaces':[{'name':'sql'}],'rules':[{'name':'r',"
                    "'target_port':1,'access':'PUBLIC','inbound_net_interface':'sql'}]}",
                    PROBLEMS("rule r: access \"PUBLIC\" is not known: expected INBOUND_APPNET"));
    assert_problems("{'inbound_net_interfaces':[{'name':'sql'}],'rules':[{'name':'r',"
                    "'target_port':1,'inbound_net_interface':'sql'}]}",
                    PROBLEMS("rule r has no access: expected INBOUND_APPNET"));
}

static void unknown_fields_are_named(void **state)
{
    (void)state;
    assert_problems("{'interfaces':[],'outbound_net_interfaces':[{'name':'a','require':true}],"
                    "'inbound_net_interfaces':[{'name':'b','required':true}],"
                    "'rules':[{'name':'r','target_port':1,'access':'INBOUND_APPNET',"
                    "'inbound_net_interface':'b','protocol':'udp'}]}",
                    PROBLEMS("the descriptor has an unknown field \"interfaces\"",
                             "inbound b has an unknown field \"required\"",
                             "outbound a has an unknown field \"require\"",
                             "rule r has an unknown field \"protocol\""));
}

static void wrong_types_are_named(void **state)
{
    (void)state;
    assert_problems(
        "{'inbound_net_interfaces':{},'outbound_net_interfaces':[1,{'name':2},"
        "{'name':'c','required':'yes'},[],{}],'rules':'none'}",
        PROBLEMS("inbound_net_interfaces is an object: expected a list of objects",
                 "outbound_net_interfaces[0] is an integer: expected an object",
                 "outbound_net_interfaces[1]: name is an integer: expected " NAME_EXPECTED,
                 "outbound c: required is a string: expected true or false",
                 "outbound_net_interfaces[3] is a list: expected an object",
                 "outbound_net_interfaces[4] has no name: expected " NAME_EXPECTED,
                 "rules is a string: expected a list of objects"));
    assert_problems("[]", PROBLEMS("the descriptor is a list: expected an object with "
                                   "inbound_net_interfaces, outbound_net_interfaces and rules"));
}

static void names_follow_the_pattern(void **state)
{
    (void)state;
    assert_problems(
        "{'outbound_net_interfaces':[{'name':'My DB'},{'name':''},{'name':'-a'}]}",
        PROBLEMS("outbound_net_interfaces[0]: name is \"My DB\": expected " NAME_EXPECTED,
                 "outbound_net_interfaces[1]: name is \"\": expected " NAME_EXPECTED,
                 "outbound_net_interfaces[2]: name is \"-a\": expected " NAME_EXPECTED));
}

static void it_is_about_the_instance_it_is_given_for(void **state)
{
    (void)state;
    assert_problems("{'name':'pg'}", PROBLEMS("the descriptor's name is \"pg\": expected "
                                              "\"mysql\""));
    assert_problems("{'name':7}", PROBLEMS("the descriptor's name is an integer: expected "
                                           "\"mysql\""));
}

static void everything_is_told_at_once(void **state)
{
    (void)state;
    assert_problems("{'inbound_net_interfaces':[{'name':'sql'},{'name':'sql'},{'name':'web'}],"
                    "'outbound_net_interfaces':[{'name':'web'}],"
                    "'rules':[{'target_port':70000,'access':'ALL','inbound_net_interface':'x'},"
                    "{'name':'r','inbound_net_interface':'sql','access':'INBOUND_APPNET'}]}",
                    PROBLEMS("inbound sql is defined twice",
                             "web is defined twice, as an inbound and as an outbound: they share "
                             "their names, so choose another for one of them",
                             "rules[0] has no name: expected 1 to 63 characters",
                             "rules[0]: target_port 70000 is out of range: expected an integer "
                             "from 1 to 65535",
                             "rules[0]: access \"ALL\" is not known: expected INBOUND_APPNET",
                             "rules[0] is for x, which is not defined in inbound_net_interfaces",
                             "rule r has no target_port: expected an integer from 1 to 65535",
                             "inbound web has no rule: expected one in rules with its "
                             "target_port"));
}

static void what_is_no_json_is_refused(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    static const char *const texts[] = {"",
                                        "{",
                                        "nonsense",
                                        "{} {}",
                                        "\"text\"",
                                        "{\"name\":\"mysql\",\"name\":\"mysql\"}",
                                        "{\"name\":\"my\\u0000sql\"}"};

    (void)state;
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_null(descriptor_parse("mysql", texts[i], strlen(texts[i]), &problems));
        assert_int_equal(problems.count, 1);
        assert_non_null(strstr(problems.sentences[0], "the descriptor is no JSON: "));
        problems_clear(&problems);
    }
    assert_null(descriptor_read("mysql", NULL, &problems));
    assert_string_equal(problems.sentences[0],
                        "the descriptor is empty: expected an object with inbound_net_interfaces, "
                        "outbound_net_interfaces and rules");
    problems_clear(&problems);
}

/* Text need not end in a zero, and nothing behind it is read. */
static void reads_no_further_than_the_text(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    struct model_instance *instance = descriptor_parse("mysql", "{}junk", 2, &problems);

    (void)state;
    assert_non_null(instance);
    model_instance_free(instance);
}

static void problems_of_before_are_kept(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    struct model_instance *instance;

    (void)state;
    problems_add(&problems, "something else");
    instance = parse("{}", &problems);
    assert_non_null(instance);
    model_instance_free(instance);
    assert_null(parse("{'a':1}", &problems));
    assert_sentences(&problems,
                     PROBLEMS("something else", "the descriptor has an unknown field \"a\""));
}

static void a_hundred_sentences_are_enough(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    char *text = calloc(1, 20000);

    (void)state;
    strcpy(text, "{'outbound_net_interfaces':[");
    for (unsigned i = 0; i < 300; i++) {
        strcat(text, i > 0 ? ",1" : "1");
    }
    strcat(text, "]}");
    assert_null(parse(text, &problems));
    assert_int_equal(problems.count, PROBLEMS_MAX);
    assert_int_equal(problems.found, 300);
    assert_string_equal(problems.sentences[98],
                        "outbound_net_interfaces[98] is an integer: expected an object");
    assert_string_equal(problems.sentences[99], "and 201 more");
    problems_clear(&problems);
    free(text);
}

static void an_instance_has_a_thousand_interfaces_at_most(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    json_t *list = json_array();
    json_t *one_more = json_pack("[{s:s}]", "name", "one-more");
    struct model_instance *instance;
    char name[NAME_SIZE];

    (void)state;
    for (unsigned i = 0; i < MODEL_INTERFACES_MAX; i++) {
        snprintf(name, sizeof name, "hub-%u", i);
        json_array_append_new(list, json_pack("{s:s, s:i}", "name", name, "port", 80));
    }
    instance = descriptor_read_declaration("mysql", list, NULL, &problems);
    assert_int_equal(instance->interface_count, MODEL_INTERFACES_MAX);
    model_instance_free(instance);
    assert_null(descriptor_read_declaration("mysql", list, one_more, &problems));
    assert_sentences(&problems, PROBLEMS("outbound one-more is one too many: an instance has at "
                                         "most 1000 interfaces"));
    json_array_append_new(list, json_null());
    assert_null(descriptor_read_declaration("mysql", list, NULL, &problems));
    assert_sentences(&problems,
                     PROBLEMS("inbounds has 1001 elements: an instance has at most 1000"));
    json_decref(list);
    json_decref(one_more);
}

/* What is said of a long name ends in whole characters, or JSON would not take it. */
static void long_names_are_cut_between_characters(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    char text[200] = "{\"x";
    json_t *sentence;

    (void)state;
    for (int i = 0; i < 80; i++) {
        strcat(text, "\xc3\xa9");
    }
    strcat(text, "\": 1}");
    assert_null(descriptor_parse("shop", text, strlen(text), &problems));
    assert_int_equal(problems.count, 1);
    sentence = json_string(problems.sentences[0]);
    assert_non_null(sentence);
    json_decref(sentence);
    problems_clear(&problems);
}

static void is_written_as_it_was_read(void **state)
{
    char *text = quoted("{'inbound_net_interfaces':[{'name':'sql'},{'name':'web'}],"
                        "'outbound_net_interfaces':[{'name':'db','required':true},"
                        "{'name':'log','required':false}],"
                        "'rules':[{'name':'r','target_port':3306,'access':'INBOUND_APPNET',"
                        "'inbound_net_interface':'sql'},"
                        "{'name':'\xc3\xa4','target_port':80,'access':'INBOUND_APPNET',"
                        "'inbound_net_interface':'web'}]}");
    struct problems problems = PROBLEMS_INIT;
    struct model_instance *instance = descriptor_parse("mysql", text, strlen(text), &problems);
    json_t *written;
    char *again;

    (void)state;
    assert_non_null(instance);
    written = descriptor_write(instance);
    again = json_dumps(written, JSON_COMPACT);
    assert_string_equal(again, text);
    json_decref(written);
    free(again);
    free(text);
    model_instance_free(instance);
}

static struct model_instance *declare(const char *text, struct problems *problems)
{
    char *json = quoted(text);
    json_t *report = json_loads(json, 0, NULL);
    struct model_instance *instance;

    assert_non_null(report);
    instance = descriptor_read_declaration("mysql", json_object_get(report, "inbounds"),
                                           json_object_get(report, "outbounds"), problems);
    json_decref(report);
    free(json);
    return instance;
}

static void reads_a_declaration(void **state)
{
    struct problems problems = PROBLEMS_INIT;
    struct model_instance *instance = declare("{'inbounds':[{'name':'sql','port':3306}],"
                                              "'outbounds':[{'name':'db','required':true,"
                                              "'port':3306},{'name':'log','port':null}],"
                                              "'replica':'x'}",
                                              &problems);
    struct model_instance *expected = support_instance("mysql", "sql:3306 db! log");
    struct model_instance *again;
    json_t *written;

    (void)state;
    assert_non_null(instance);
    assert_false(instance->applied);
    /* where its outbound listens, whatever that is connected to */
    assert_int_equal(model_interface_find(instance, "db")->port, 3306);
    assert_int_equal(model_interface_find(instance, "log")->port, 0);
    ((struct model_interface *)model_interface_find(instance, "db"))->port = 0;
    assert_true(model_interfaces_equal(instance, expected));
    /* it can be shown as a descriptor */
    written = descriptor_write(instance);
    again = descriptor_read("mysql", written, &problems);
    assert_true(model_interfaces_equal(again, instance));
    json_decref(written);
    model_instance_free(again);
    model_instance_free(instance);
    model_instance_free(expected);
    instance = declare("{}", &problems);
    assert_int_equal(instance->interface_count, 0);
    model_instance_free(instance);
}

static void checks_a_declaration(void **state)
{
    struct problems problems = PROBLEMS_INIT;

    (void)state;
    assert_null(
        declare("{'inbounds':[{'name':'sql'},{'name':'web','port':0}],"
                "'outbounds':[{'name':'sql'},{'name':'UP','new':1},{'name':'db','port':0}]}",
                &problems));
    assert_sentences(
        &problems,
        PROBLEMS("inbound sql has no port: expected an integer from 1 to 65535",
                 "inbound web: port 0 is out of range: expected an integer from 1 to 65535",
                 "sql is defined twice, as an inbound and as an outbound: they share their names, "
                 "so choose another for one of them",
                 "outbounds[1]: name is \"UP\": expected " NAME_EXPECTED,
                 "outbound db: port 0 is out of range: expected an integer from 1 to 65535"));
}

int main(void)
{
    const struct CMUnitTest descriptor[] = {
        cmocka_unit_test(reads_a_descriptor),
        cmocka_unit_test(keeps_the_names_of_rules),
        cmocka_unit_test(a_name_is_defined_once),
        cmocka_unit_test(an_inbound_has_one_rule),
        cmocka_unit_test(a_rule_is_for_an_inbound_that_is_there),
        cmocka_unit_test(a_rule_has_a_port_in_range),
        cmocka_unit_test(a_rule_has_a_name),
        cmocka_unit_test(access_is_by_appnet),
        cmocka_unit_test(unknown_fields_are_named),
        cmocka_unit_test(wrong_types_are_named),
        cmocka_unit_test(names_follow_the_pattern),
        cmocka_unit_test(it_is_about_the_instance_it_is_given_for),
        cmocka_unit_test(everything_is_told_at_once),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(reads_no_further_than_the_text),
        cmocka_unit_test(problems_of_before_are_kept),
        cmocka_unit_test(a_hundred_sentences_are_enough),
        cmocka_unit_test(an_instance_has_a_thousand_interfaces_at_most),
        cmocka_unit_test(long_names_are_cut_between_characters),
        cmocka_unit_test(is_written_as_it_was_read),
        cmocka_unit_test(reads_a_declaration),
        cmocka_unit_test(checks_a_declaration),
    };

    return cmocka_run_group_tests(descriptor, NULL, NULL);
}
