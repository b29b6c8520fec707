/* model: a broker outside the process, as the node sees it: streams, a PUB/SUB connection with a
 * generation, and answers that take their time.
 *
 * Two actors play it. The PUB/SUB connection handles subscribe and unsubscribe in order, and
 * delivers acknowledgements and publications in order; now and then it breaks, loses what was on
 * its way, keeps an acknowledgement of the old generation for later, and comes back with a higher
 * one. The command connection applies publishes and reads in any order, and answers late, or says
 * failure for what it did do.
 *
 * Owner     the play                  Thread  port functions: any; the actors their own
 * Lifetime  from model_new until its actors ended (model_stop) and model_free */
#ifndef GUSH_SIM_MODEL_H
#define GUSH_SIM_MODEL_H

#include "server/engine/node.h"

#include "tests/sim/oracle.h"

struct model;

struct model_faults {
    uint64_t delay_us;    /* usual longest delay of anything */
    uint32_t slow_of_256; /* answers that take up to slow_us */
    uint64_t slow_us;
    uint32_t lost_of_256;    /* answers that are lost: failure, done or not */
    uint32_t breaks_n;       /* times that the PUB/SUB connection breaks */
    uint32_t forgets_of_256; /* publishes that find the stream gone: a new epoch */
    bool rewinds;            /* a break may lose the newest writes */
    bool new_epochs;         /* a break may begin the streams anew */
};

/* |leaving| is called while the node unsubscribes. */
struct model *model_new(struct oracle *oracle, const struct model_faults *faults, uint64_t seed,
                        void (*leaving)(void *arg), void *arg);
const struct gush_broker *model_broker(const struct model *m);
/* Starts its actors. */
void model_start(struct model *m, struct gush_node *node);
/* A publication by another node. */
void model_publish_elsewhere(struct model *m, uint32_t channel, uint32_t publisher);
/* No more breaks, and connected. */
void model_calm(struct model *m);
/* Publications of |channel| are not to be made any more: the broker lost writes, and new ones
 * would look like doubles of the lost. */
bool model_spoilt(struct model *m, uint32_t channel);
/* |channel| never changed its epoch, and whoever is at |offset| misses nothing. */
bool model_is_at(struct model *m, uint32_t channel, uint64_t offset);
/* Nothing is on its way. */
bool model_quiet(struct model *m);
/* At rest: the node is subscribed to |channel|. */
bool model_listens(const struct model *m, uint32_t channel);
/* Tells the oracle the truth about every stream. */
void model_tell(struct model *m);
/* Answers what is open with failure; the actors end. */
void model_stop(struct model *m);
void model_free(struct model *m);

#endif
