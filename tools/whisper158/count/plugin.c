/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * A plugin of QEMU's code generator that counts what an emulated program executes.
 *
 *     qemu-aarch64 -plugin plugin.so,out=FILE PROGRAM
 *
 * QEMU translates a program in blocks, straight runs of instructions that are always executed from the first to the
 * last; so a counter for every block, which the translated code itself increments, is the exact number of times that
 * each instruction ran. The program divides its run into regions by a system call that no kernel has
 * (tests/count/region.h): counts belong to the region whose call came last, and to region 0 before the first.
 *
 * FILE gets, when the program ends, lines of words:
 *
 *     threads N                           that the program ever had; counts are exact only for one
 *     map START END OFFSET PATH           files in the guest's memory, numbers in hexadecimal
 *     block ADDRESS WORD...               a block's address and instructions in hexadecimal; blocks count from 0
 *     count REGION BLOCK TIMES            in decimal
 *
 * Debian's QEMU has plugins and brings no header for them, hence the declarations: version 1 of the interface, as QEMU
 * 7.2 has it.
 */
#include "region.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*vcpu_cb_t)(qemu_plugin_id_t id, unsigned vcpu);
typedef void (*translate_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*syscall_cb_t)(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                             uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
typedef void (*exit_cb_t)(qemu_plugin_id_t id, void *user);

void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t id, vcpu_cb_t cb);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translate_cb_t cb);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id, syscall_cb_t cb);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, exit_cb_t cb, void *user);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, enum qemu_plugin_op op, void *at,
                                              uint64_t immediate);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

#define BUCKETS 65536u /* of the hash table: a program has some ten thousand blocks */

typedef struct Block {
    struct Block *next; /* in the bucket */
    uint64_t address;
    size_t n;
    uint64_t times;  /* since the last region began; the translated code adds to it */
    uint64_t number; /* in the order of translation */
    uint32_t words[];
} Block;

/* QEMU hands no context to most callbacks, so this is where a plugin's state has to be. It translates under a lock and
 * the program has one thread, so none of it is touched by two at a time. */
static struct {
    FILE *out;
    Block *buckets[BUCKETS];
    Block **blocks;
    size_t n_blocks, room;
    uint64_t region;
    uint64_t threads;
    uintptr_t guest_base; /* host address of the guest's address 0 */
} state;

static void fail(const char *what) {
    fprintf(stderr, "count plugin: %s\n", what);
    exit(EXIT_FAILURE);
}

static Block *new_block(struct qemu_plugin_tb *tb, size_t n) {
    Block *b = calloc(1, sizeof *b + n * sizeof *b->words);

    if (!b)
        fail("no memory");
    b->address = qemu_plugin_tb_vaddr(tb);
    b->n = n;
    for (size_t i = 0; i < n; i++)
        memcpy(&b->words[i], qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i)), sizeof b->words[i]);
    return b;
}

static bool same_block(const Block *a, const Block *b) {
    return a->address == b->address && a->n == b->n && memcmp(a->words, b->words, a->n * sizeof *a->words) == 0;
}

static void append(Block *b) {
    if (state.n_blocks == state.room) {
        state.room = state.room ? 2 * state.room : 1024;
        state.blocks = realloc(state.blocks, state.room * sizeof(Block *));
        if (!state.blocks)
            fail("no memory");
    }
    b->number = state.n_blocks;
    state.blocks[state.n_blocks++] = b;
}

/* QEMU forgets translations when its buffer is full; what it translates again keeps its counter. */
static Block *find_block(struct qemu_plugin_tb *tb, size_t n) {
    Block *b = new_block(tb, n), **bucket = &state.buckets[b->address / 4 % BUCKETS];

    for (Block *old = *bucket; old; old = old->next)
        if (same_block(old, b)) {
            free(b);
            return old;
        }
    b->next = *bucket;
    *bucket = b;
    append(b);
    return b;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    size_t n = qemu_plugin_tb_n_insns(tb);

    (void)id;
    if (n == 0)
        return;
    state.guest_base = (uintptr_t)qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(tb, 0)) - qemu_plugin_tb_vaddr(tb);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &find_block(tb, n)->times, 1);
}

static void end_region(void) {
    for (size_t i = 0; i < state.n_blocks; i++)
        if (state.blocks[i]->times) {
            fprintf(state.out, "count %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", state.region, state.blocks[i]->number,
                    state.blocks[i]->times);
            state.blocks[i]->times = 0;
        }
}

static void on_syscall(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                       uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
    (void)id, (void)vcpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != REGION_SYSCALL)
        return;
    end_region();
    state.region = a1;
}

static void on_thread(qemu_plugin_id_t id, unsigned vcpu) {
    (void)id, (void)vcpu;
    state.threads++;
}

/* Which file lies where in the guest: it has the host's mappings, shifted. */
static void write_maps(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4352]; /* the longest path, and what is before it */

    if (!maps)
        fail("cannot read /proc/self/maps");
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end, offset;
        int path = 0;

        if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %n", &start, &end, &offset, &path) == 3 && line[path] == '/' &&
            start >= state.guest_base)
            fprintf(state.out, "map %lx %lx %lx %s", start - state.guest_base, end - state.guest_base, offset,
                    line + path);
    }
    fclose(maps);
}

static void finish(qemu_plugin_id_t id, void *user) {
    (void)id, (void)user;
    end_region();
    fprintf(state.out, "threads %" PRIu64 "\n", state.threads);
    write_maps();
    for (size_t i = 0; i < state.n_blocks; i++) {
        const Block *b = state.blocks[i];

        fprintf(state.out, "block %" PRIx64, b->address);
        for (size_t j = 0; j < b->n; j++)
            fprintf(state.out, " %08" PRIx32, b->words[j]);
        fputc('\n', state.out);
    }
    if (fclose(state.out) != 0)
        fail("cannot write the counts");
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || !(state.out = fopen(argv[0] + 4, "w"))) {
        fprintf(stderr, "count plugin: needs out=FILE, a file that can be written\n");
        return -1;
    }
    qemu_plugin_register_vcpu_init_cb(id, on_thread);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
