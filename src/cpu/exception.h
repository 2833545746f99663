/* exception.h - exceptions and interrupts: recording and delivery (SDM 3A chapter 6).
 *
 * cpu_raise*() only record; the engine calls cpu_deliver() when a handler returned false.
 * Delivery handles every gate kind, privilege change, stack switch, V86, task gates, nested
 * faults, double fault; on triple fault it sets c->shutdown and keeps the chain for the report.
 */
#ifndef DRAGOMAN_CPU_EXCEPTION_H
#define DRAGOMAN_CPU_EXCEPTION_H

#include "cpu/cpu.h"

/* Values of cpu.intr_shadow. STI holds back interrupts, MOV SS and POP SS debug traps as well (SDM
 * 3A 6.8.3). */
enum { INTR_SHADOW_STI = 1, INTR_SHADOW_SS = 2 };

/* Record; always false, so that a handler can `return cpu_raise(...)`. Error code where the vector
 * has one. */
bool cpu_raise(struct cpu *c, enum vector v, uint32_t err);
bool cpu_raise_pf(struct cpu *c, gva_t cr2, uint32_t err);
bool cpu_raise_db(struct cpu *c, uint32_t dr6_bits);

/* Delivers c->fault with c->rip as the return address (faults; #BP/#OF/INT n: next_rip).
 * On return c->rip is the handler's first instruction, or c->shutdown is set. */
void cpu_deliver(struct cpu *c);

/* INT n, INT3 (vector 3), INTO (4), INT1 (1): checks gate DPL (not INT1), V86 IOPL and VME;
 * transfers. False: a fault was recorded, nothing changed. */
bool cpu_int_soft(struct cpu *c, uint8_t vector, bool int_n);

/* Accepts a hardware interrupt or NMI (vector 2) at an instruction boundary; clears halted. */
void cpu_interrupt(struct cpu *c, uint8_t vector);

/* IRET in all forms; opsize 2, 4 or 8 bytes. Sets next_rip. */
bool cpu_iret(struct cpu *c, unsigned opsize);

/* After a completed instruction (rip already past it): raises #DB (false) when debug_trap is due,
 * or true. The engine makes the single-step trap due itself, when MODE_TF was set as the
 * instruction began: debug_trap = 1, pending_dr6 |= DR6.BS. Delivery of a fault drops it, INT n
 * drops BS. With intr_shadow == INTR_SHADOW_SS (MOV SS, POP SS) the trap stays due for the next
 * boundary. */
bool cpu_debug_traps(struct cpu *c);

#endif
