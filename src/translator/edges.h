/* edges.h - chains that cross pages and check nothing.
 *
 * An edge is a pair of pages (struct bt_page), code of one mode in the first of which leads to the
 * second: by an exit, or by an instruction that begins in one and ends in the other. While an edge
 * is *open*, exits along it are aimed behind the checks of the blocks they lead to; else at the
 * checks.
 *
 * Invariants, of every edge A -> B of a mode that is open:
 *   - each live context of that mode that knows A (x->page[]) knows B;
 *   - who executes a block of A knew A in its context when it came from a look-up. If it was
 *     forgotten since, what is executed is what a TLB may still hold: INVLPG, MOV to CR and all
 *     else that makes the CPU fetch anew end the block, and what follows is looked up.
 *
 * So a context that gets to know A closes the edges from A to pages that it does not know; one that
 * forgets B closes those to B from pages that it knows. A context that is reset breaks nothing.
 * Opened are edges when they are made, when a page becomes known, and where kicks find the CPU.
 *
 * Everything here may run in the handler of a host fault, and allocates in bt_edge_need() only.
 */
#ifndef DRAGOMAN_TRANSLATOR_EDGES_H
#define DRAGOMAN_TRANSLATOR_EDGES_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct bt_block;
struct bt_ctx;
struct bt_page;

struct bt_edge {
    struct bt_page *from, *to;
    uint32_t mode;
    bool open;
    uint8_t closed; /* how often it was, at most EDGE_TIRED */
    struct bt_edge *next_out, *next_in;
};

/* Edges closed as often as this are opened by kicks only: others come and go with processes. */
enum { EDGE_TIRED = 8 };

/* An exit of `from` is about to be linked to `to`: there are edges for it, unless there is no room.
 */
void bt_edge_need(struct engine *e, const struct bt_block *from, const struct bt_block *to);

/* May an exit of `from` that leads to `to` skip its checks? */
bool bt_edge_open(const struct bt_block *from, const struct bt_block *to);

/* The context knows the page since just now; does not know it any more. */
void bt_edges_known(struct engine *e, struct bt_ctx *x, struct bt_page *page);
void bt_edges_forgotten(struct engine *e, const struct bt_ctx *x, struct bt_page *page);

/* A kick found the block running. */
void bt_edges_found(struct engine *e, const struct bt_block *b);

#endif
