/* event_id: positions of a client in its channels as one short text that nobody but us can write.
 *
 *   <proof>.<entry>.<entry>...     proof: 16 characters, 96 bits; entries in base64url
 *   entry = keyed hash of the channel's name, 8 bytes; offset, varint; epoch, the rest
 *
 * An entry has a proof of its own, which is not in the text: the keyed hash of it. The proof of the
 * whole is the keyed hash of the sum of these. So when one channel moves, its entry is made anew,
 * once for everybody, and each client adds, hashes 24 bytes and copies.
 *
 * Positions are no secret and give no right; the proof is there so that a text that was cut short,
 * altered, mixed, or made by another server is known as such: then its bearer is told that he
 * missed something, and never gets a wrong position.
 *
 * Thread    any; keys are frozen after init
 * Limits    GUSH_EVENT_ID_MAX bytes, about 75 channels with our own epochs */
#ifndef GUSH_ENGINE_EVENT_ID_H
#define GUSH_ENGINE_EVENT_ID_H

#include "server/base/map.h"

#include "server/engine/node.h"

#define GUSH_EVENT_ID_MAX 2048
/* 8 of the channel, 10 of the offset, the epoch; four characters for three bytes */
#define GUSH_EVENT_ID_ENTRY_MAX ((size_t)(8 + 10 + GUSH_EPOCH_MAX + 2) / 3 * 4)
/* No entry is shorter than a dot and 12 characters. */
#define GUSH_EVENT_ID_POSITIONS_MAX ((GUSH_EVENT_ID_MAX - 16) / 13)

struct gush_event_id_key {
    struct gush_hash_key channel, entry, whole;
};

/* Keys from a secret of any length. */
void gush_event_id_key_init(struct gush_event_id_key *key, struct gush_span secret);

struct gush_event_id_entry {
    uint64_t channel;
    uint64_t proof[2];
    uint8_t text_n;
    char text[GUSH_EVENT_ID_ENTRY_MAX];
};

uint64_t gush_event_id_channel(const struct gush_event_id_key *key, struct gush_span name);
void gush_event_id_entry_init(const struct gush_event_id_key *key, uint64_t channel,
                              uint64_t offset, struct gush_span epoch,
                              struct gush_event_id_entry *e);

/* Several entries, and the sums of their proofs. */
struct gush_event_id_list {
    uint64_t sums[2];
    uint32_t n;
    uint32_t text_n; /* of the whole id */
    struct gush_event_id_entry entries[];
};

/* Empty, with room for |n|. */
struct gush_event_id_list *gush_event_id_list_new(size_t n);
void gush_event_id_list_free(struct gush_event_id_list *l); /* NULL is fine */
void gush_event_id_list_add(struct gush_event_id_list *l, const struct gush_event_id_entry *e);
/* The entry of the same channel becomes |e|. Returns whether there was one. */
bool gush_event_id_list_move(struct gush_event_id_list *l, const struct gush_event_id_entry *e);
/* The id: |l|->text_n bytes, which are at most GUSH_EVENT_ID_MAX. */
void gush_event_id_write(const struct gush_event_id_key *key, const struct gush_event_id_list *l,
                         char *out);

struct gush_event_id_position {
    uint64_t channel, offset;
    struct gush_epoch epoch;
};

/* What we wrote, and nothing else.
 *   GUSH_ESYNTAX   it is not that */
GUSH_MUST_USE gush_err gush_event_id_parse(
    const struct gush_event_id_key *key, struct gush_span text,
    struct gush_event_id_position positions[GUSH_EVENT_ID_POSITIONS_MAX], size_t *n);

#endif
