/* qmp_priv.h - commands that QMP has and people don't: those that return data, or take more than
 * words and numbers. Private to qmp*.c. */
#ifndef DRAGOMAN_MONITOR_QMP_PRIV_H
#define DRAGOMAN_MONITOR_QMP_PRIV_H

#include <jansson.h>

#include "monitor/session.h"

struct qmp_call {
    struct mon_call call;
    json_t *result; /* a reference; NULL: {} */
};

struct qmp_row {
    const char *name;
    struct mon_arg arg[MON_ARGS];
    int (*run)(struct qmp_call *q); /* 0, or mon_fail() */
};

extern const struct qmp_row qmp_queries[]; /* qmp_query.c */
extern const unsigned qmp_nqueries;

json_t *qmp_version(void);

/* qmp_block.c */
int qmp_query_block(struct qmp_call *q);
int qmp_query_blockstats(struct qmp_call *q);
int qmp_query_block_nodes(struct qmp_call *q);

/* qmp_input.c */
int qmp_send_key(struct qmp_call *q);
int qmp_input_send_event(struct qmp_call *q);

#endif
