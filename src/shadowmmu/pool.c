#include "shadowmmu/shadow.h"

#include <assert.h>

uint32_t node_push(struct smmu *m, uint32_t *head, uint32_t key)
{
    uint32_t n = m->node_free;

    if (n) {
        m->node_free = m->node[n].next;
    } else {
        assert(m->node_top < m->node_limit);
        n = m->node_top++;
    }
    m->nodes_left--;
    m->node[n] = (struct node){.next = *head, .key = key};
    if (*head)
        m->node[*head].prev = n;
    *head = n;
    return n;
}

void node_remove(struct smmu *m, uint32_t *head, uint32_t n)
{
    struct node *d = &m->node[n];

    if (d->prev)
        m->node[d->prev].next = d->next;
    else
        *head = d->next;
    if (d->next)
        m->node[d->next].prev = d->prev;
    d->next = m->node_free;
    m->node_free = n;
    m->nodes_left++;
}

/* Pages come and go all zero: entries are cleared one by one. */
uint32_t page_alloc(struct smmu *m)
{
    uint32_t p = m->page_free;

    if (p) {
        m->page_free = (uint32_t)m->page[p][0];
        m->page[p][0] = 0;
    } else {
        assert(m->page_top < m->page_limit);
        p = m->page_top++;
    }
    m->pages_left--;
    return p;
}

void page_release(struct smmu *m, uint32_t page)
{
    m->page[page][0] = m->page_free;
    m->page_free = page;
    m->pages_left++;
}
