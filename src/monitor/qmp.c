/* QMP: JSON values in, JSON values out (QEMU's docs/interop/qmp-spec). */
#include <string.h>
#include <time.h>

#include "base/version.h"
#include "monitor/qmp_priv.h"

/* ---- out ---- */

static int put(const char *data, size_t len, void *to)
{
    mon_put(to, data, len);
    return 0;
}

/* Takes the reference. A value that there was no memory for is NULL: the client misses it. */
static void answer(struct mon_session *s, json_t *v)
{
    size_t flags = JSON_PRESERVE_ORDER | (s->pretty ? JSON_INDENT(4) : 0);

    if (!v)
        return;
    json_dump_callback(v, put, &s->out, flags);
    mon_puts(&s->out, "\r\n");
    json_decref(v);
}

static const char *const classes[] = {
    [MON_GENERIC] = "GenericError",
    [MON_NO_COMMAND] = "CommandNotFound",
    [MON_NO_DEVICE] = "DeviceNotFound",
    [MON_NOT_NEGOTIATED] = "CommandNotFound",
};

/* `id` is the request's, or NULL. A description of the guest's making need not be UTF-8. */
static void answer_error(struct mon_session *s, enum mon_error_class class, const char *desc,
                         json_t *id)
{
    json_t *text = json_string(desc);
    json_t *v = json_pack("{s:{s:s,s:o}}", "error", "class", classes[class], "desc",
                          text ? text : json_string("an error whose text is not UTF-8"));

    if (v && id)
        json_object_set(v, "id", id);
    answer(s, v);
}

json_t *qmp_version(void)
{
    /* Clients ask whether they know the protocol: it is that of QEMU 7.2. */
    return json_pack("{s:{s:i,s:i,s:i},s:s}", "qemu", "micro", 0, "minor", 2, "major", 7, "package",
                     "dragoman " DRAGOMAN_VERSION);
}

void mon_qmp_greet(struct mon_session *s)
{
    answer(s, json_pack("{s:{s:o,s:[]}}", "QMP", "version", qmp_version(), "capabilities"));
}

void mon_qmp_event(struct mon_session *s, const char *name, const char *data)
{
    struct timespec ts;
    json_t *v;

    if (!s->negotiated)
        return;
    clock_gettime(CLOCK_REALTIME, &ts);
    v = json_pack("{s:{s:I,s:I},s:s}", "timestamp", "seconds", (json_int_t)ts.tv_sec,
                  "microseconds", (json_int_t)(ts.tv_nsec / 1000), "event", name);
    if (v && data)
        json_object_set_new(v, "data", json_loads(data, 0, NULL));
    answer(s, v);
}

/* ---- arguments ---- */

static const char *const type_names[] = {
    [MON_WORD] = "string", [MON_REST] = "string",  [MON_EXPR] = "integer",
    [MON_INT] = "integer", [MON_FLAG] = "boolean", [MON_JSON] = "array",
};

static bool take_string(struct mon_value *v, const json_t *j)
{
    size_t len = json_is_string(j) ? json_string_length(j) : sizeof(v->text);

    if (len >= sizeof(v->text) || memchr(json_string_value(j), 0, len))
        return false;
    memcpy(v->text, json_string_value(j), len + 1);
    return true;
}

static bool take_value(const struct mon_arg *a, struct mon_value *v, const json_t *j)
{
    v->set = true;
    switch (a->type) {
    case MON_WORD:
    case MON_REST:
        return take_string(v, j);
    case MON_EXPR:
    case MON_INT:
        v->n = (uint64_t)json_integer_value(j);
        return json_is_integer(j);
    case MON_FLAG:
        v->n = json_is_true(j);
        return json_is_boolean(j);
    default:
        v->json = j;
        return json_is_array(j);
    }
}

static int take_arg(struct mon_call *c, const struct mon_arg *a, struct mon_value *v,
                    const json_t *args)
{
    const json_t *j = json_object_get(args, a->name);

    if (!j)
        return a->how & MON_OPTIONAL ? 0 : mon_fail(c, "Parameter '%s' is missing", a->name);
    if (!take_value(a, v, j))
        return mon_fail(c, "Invalid parameter type for '%s', expected: %s", a->name,
                        type_names[a->type]);
    return 0;
}

static bool is_arg(const struct mon_arg *arg, const char *name)
{
    for (unsigned i = 0; i < MON_ARGS && arg[i].type != MON_NO_ARG; i++)
        if (arg[i].type != MON_FORMAT && strcmp(arg[i].name, name) == 0)
            return true;
    return false;
}

static int take_args(struct mon_call *c, const struct mon_arg *arg, json_t *args)
{
    const char *name;
    json_t *j;
    int rc = 0;

    json_object_foreach(args, name, j) if (!is_arg(arg, name)) return mon_fail(
        c, "Parameter '%s' is unexpected", name);
    for (unsigned i = 0; i < MON_ARGS && arg[i].type != MON_NO_ARG && rc == 0; i++)
        rc = take_arg(c, &arg[i], &c->arg[i], args);
    return rc;
}

/* ---- commands ---- */

static int human(struct qmp_call *q)
{
    struct mon_text out = {.limit = MON_ANSWER_LIMIT};
    struct mon_call *c = &q->call;
    char *at;

    if (c->arg[1].set && c->arg[1].n != 0)
        return mon_fail(c, "Invalid parameter 'cpu-index': there is one CPU, 0");
    mon_hmp_run(c->machine, c->keys, c->arg[0].text, &out);
    /* The guest's bytes may be in it: ASCII is all that JSON takes without a look. */
    for (at = out.data; at && *at; at++)
        *at &= 0x7f;
    q->result = json_string(out.data ? out.data : "");
    mon_free(&out);
    return 0;
}

static int query_commands(struct qmp_call *q);

static int capabilities(struct qmp_call *q)
{
    if (json_array_size(q->call.arg[0].json))
        return mon_fail(&q->call, "there are no capabilities to enable");
    return 0;
}

static const struct qmp_row own[] = {
    {"qmp_capabilities", {{"enable", MON_JSON, MON_OPTIONAL}}, capabilities},
    {"human-monitor-command",
     {{"command-line", MON_WORD, 0}, {"cpu-index", MON_INT, MON_OPTIONAL}},
     human},
    {"query-commands", {{0}}, query_commands},
    {"send-key", {{"keys", MON_JSON, 0}, {"hold-time", MON_INT, MON_OPTIONAL}}, qmp_send_key},
    {"input-send-event",
     {{"events", MON_JSON, 0}, {"device", MON_WORD, MON_OPTIONAL}, {"head", MON_INT, MON_OPTIONAL}},
     qmp_input_send_event},
};

static int query_commands(struct qmp_call *q)
{
    q->result = json_array();
    for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
        json_array_append_new(q->result, json_pack("{s:s}", "name", own[i].name));
    for (unsigned i = 0; i < qmp_nqueries; i++)
        json_array_append_new(q->result, json_pack("{s:s}", "name", qmp_queries[i].name));
    for (unsigned i = 0; i < mon_ncommands; i++)
        if (mon_commands[i].qmp)
            json_array_append_new(q->result, json_pack("{s:s}", "name", mon_commands[i].qmp));
    return 0;
}

static const struct qmp_row *find_row(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
        if (strcmp(own[i].name, name) == 0)
            return &own[i];
    for (unsigned i = 0; i < qmp_nqueries; i++)
        if (strcmp(qmp_queries[i].name, name) == 0)
            return &qmp_queries[i];
    return NULL;
}

static int run(struct qmp_call *q, const char *name, json_t *args)
{
    const struct qmp_row *row = find_row(name);
    const struct mon_command *cmd = row ? NULL : mon_find_qmp(name);
    int rc;

    if (!row && !cmd) {
        q->call.class = MON_NO_COMMAND;
        return mon_fail(&q->call, "The command %s has not been found", name);
    }
    rc = take_args(&q->call, row ? row->arg : cmd->arg, args);
    if (rc < 0)
        return rc;
    return row ? row->run(q) : cmd->run(&q->call);
}

/* ---- in ---- */

static void execute(struct mon_session *s, const char *name, json_t *args, json_t *id)
{
    struct mon_text unseen = {.limit = 0};
    struct qmp_call q = {
        .call = {.machine = s->machine, .keys = s->keys, .out = &unseen},
    };
    bool negotiating = strcmp(name, "qmp_capabilities") == 0;
    json_t *v;

    if (negotiating == s->negotiated) {
        q.call.class = MON_NOT_NEGOTIATED;
        mon_fail(&q.call, negotiating
                              ? "Capabilities negotiation is already complete, command ignored"
                              : "Expecting capabilities negotiation with 'qmp_capabilities'");
    } else {
        run(&q, name, args);
    }
    if (q.call.error[0]) {
        json_decref(q.result);
        answer_error(s, q.call.class, q.call.error, id);
        return;
    }
    s->negotiated = true;
    v = json_pack("{s:o}", "return", q.result ? q.result : json_object());
    if (v && id)
        json_object_set(v, "id", id);
    answer(s, v);
}

/* The members a request may have. */
static const char *unknown_member(json_t *request)
{
    static const char *const known[] = {"execute", "arguments", "id"};
    const char *name;
    json_t *j;

    json_object_foreach(request, name, j)
    {
        unsigned i = 0;

        while (i < ARRAY_SIZE(known) && strcmp(name, known[i]) != 0)
            i++;
        if (i == ARRAY_SIZE(known))
            return name;
    }
    return NULL;
}

static void handle(struct mon_session *s, json_t *request)
{
    json_t *id = json_object_get(request, "id"), *args = json_object_get(request, "arguments");
    json_t *name = json_object_get(request, "execute");
    const char *odd = unknown_member(request);
    char desc[256];

    if (odd) {
        snprintf(desc, sizeof(desc), "QMP input member '%.100s' is unexpected", odd);
        answer_error(s, MON_GENERIC, desc, id);
    } else if (!json_is_string(name)) {
        answer_error(s, MON_GENERIC,
                     name ? "QMP input member 'execute' must be a string"
                          : "QMP input lacks member 'execute'",
                     id);
    } else if (args && !json_is_object(args)) {
        answer_error(s, MON_GENERIC, "QMP input member 'arguments' must be an object", id);
    } else {
        execute(s, json_string_value(name), args, id);
    }
}

/* Whoever begins with something else than JSON is no QMP client, perhaps a browser. */
static void refuse(struct mon_session *s, const char *desc)
{
    answer_error(s, MON_GENERIC, desc, NULL);
    s->closing = !s->negotiated;
}

static void parse(struct mon_session *s)
{
    json_error_t err;
    json_t *request = json_loadb(s->frame.text, s->frame.len, JSON_DECODE_ANY, &err);
    char desc[300];

    if (!request) {
        snprintf(desc, sizeof(desc), "JSON parse error, %s", err.text);
        refuse(s, desc);
    } else if (!json_is_object(request)) {
        refuse(s, "QMP input must be a JSON object");
    } else {
        handle(s, request);
    }
    json_decref(request);
}

void mon_qmp_feed(struct mon_session *s, uint8_t byte)
{
    if (s->echo && byte == '\r')
        byte = '\n';
    if (s->echo)
        mon_put(&s->out, (const char *)&byte, 1);
    switch (json_frame_feed(&s->frame, (char)byte)) {
    case JSON_MORE:
        return;
    case JSON_VALUE:
        parse(s);
        return;
    case JSON_TOO_LONG:
        refuse(s, "JSON parse error, the value is too long");
        return;
    case JSON_TOO_DEEP:
        refuse(s, "JSON parse error, the value is nested too deeply");
        return;
    }
}
