/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The budget: what all sensors together take from the server stays below a part of one
 * core.
 *
 * What is spent is the time in redmem's programs (the kernel counts it), and the way into
 * them, which the kernel leaves out and redmem has measured at the start: a uprobe's trap, a
 * sample's interrupt, a probe put in or out (probe_cost.c); a look at the allocator's calls
 * is measured while it lasts (burst.c).
 *
 * Credit is earned: each spender has a token bucket, which holds a tenth of a second's
 * worth when the watch begins, so that the first second is no dearer than the tenth. The
 * flow probe stands until its bucket is empty and comes again when it holds a quarter of a
 * second's worth. Looks are short and many: one takes some 0.3 ms from the server, and is
 * made when that much has been saved. Either needs as much in the bucket of all, too, which
 * begins empty and pays for whatever was spent, ten times a second. But for the least part of
 * the flow probe's: switches cannot be throttled, and a server that sleeps after each of 30,000
 * commands a second has some 4 % of a core of them; without any hit the bytes of all were told
 * as those of whoever was seen last. No credit is earned while
 * the server waits for a CPU: one that gets half of a CPU has half as much to give away. Page
 * faults are looked at as often as their part has room for, by the periods of their events.
 *
 * Figures of the reference machine (2 cores, a nested VM, redis 7.0.15, both cores taken by
 * server and load, other work beside): SET -P 16 of 1 KiB spends 0.5 to 0.8 % of a budget
 * of 1 % (of `alloc`), the flow probe standing for 14 to 20 % of the time; the way before,
 * a second's credit at once and bursts of 400 calls, told 5 to 12 %, 2.5 % standing. A hit
 * of the flow probe takes 1.5 to 2 us by the measurement at the start; putting it in and
 * out every 0.1 s under that load gave 0.9 us (0.3 to 1.4). A look sees 25 to 40 calls; a
 * client that sends one command after another waited 0.22 ms at p99 in 124 of them, 0.27 ms
 * at most. Its probes are gone 0.03 to 0.1 ms after it was told to end, where a thread of
 * usual priority took 3 to 4 ms now and then. With --budget 20, 4.6 % were told, and the
 * server did 3 to 5 % less in a second of its own CPU time, 10 % in the first 0.3 s.
 */
#include "sensor/internal.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "host/proc.h"
#include "host/uprobe.h"
#include "target/allocator.h"

/* Parts of the budget. The rest is for samples and switches. */
#define FLOW_PART	0.35
#define FLOW_PART_ASIDE 0.15 /* where allocation is one subject of many */
#define LEAST_PART	0.2 /* of the flow probe's, that it has whatever the others have spent */
#define BURST_PART	0.2
#define FAULT_PART	0.25
#define FAULT_SECONDS	1.25e-6 /* a fault looked at, way in and out included */
#define FAULTS_MAX	20000
#define PROGRAM_SECONDS 5e-6 /* the flow sensor's, before it is known */
#define BUSY_RATIO	0.9 /* of a core: the server has no time to give away */
#define REVIEW_NS	100000000LL /* how often all that was spent is added up */
/* The buckets, in seconds of what they earn: what they hold at the start and at most, and
 * what the flow probe waits for before it comes again. */
#define FIRST_SECONDS 0.1
#define DEPTH_SECONDS 0.5
#define COME_SECONDS  0.25
/* What one look may take from the server: enough for some forty calls. Who allows more than
 * the usual gets longer looks, as there can be some ten in a second. */
#define LOOK_HOLD_MIN	   0.25e-3
#define LOOK_HOLD_MAX	   6e-3
#define LOOK_EVERY_SECONDS 0.1
#define LOOK_APART_NS	   91000000LL /* a turn of the loop may be a little early */
#define LOOK_IDLE_NS	   250000000LL /* after one of a server that hardly allocates */
/* Of a calm budget: a look takes redmem itself a millisecond or two of CPU, and so does a flow
 * probe that goes and comes. */
#define CALM_TIMES	4.0 /* credit is saved for so many times as long */
#define CALM_APART_NS	1000000000LL
#define CALM_IDLE_NS	10000000000LL
#define CALM_POLL_NS	90000000LL /* between two looks at what may be spent */
#define UNLIMITED_RATIO 1.0
/* Kept back for what is known only when it is spent. */
#define RESERVE 0.1

static double known(double value)
{
	return isfinite(value) ? value : 0;
}

/* --- what was spent ------------------------------------------------------------------- */

/* The ways into programs, which the kernel's count of their time leaves out. */
static double trap_seconds(const struct sensors *s)
{
	const __u64 *totals = s->target->totals;

	return (double)totals[TOTAL_FLOW_HITS] * known(s->probe_cost.trap_seconds) +
	       (double)totals[TOTAL_CPU_SAMPLES] * known(s->probe_cost.sample_seconds) +
	       s->budget.burst_seconds;
}

static double spent(const struct sensors *s)
{
	return known(sensors_bpf_seconds(s)) + trap_seconds(s) + s->budget.attach_seconds -
	       s->budget.base_seconds;
}

double budget_move_seconds(const struct probe_cost *cost, size_t places)
{
	return (double)places * (known(cost->trap_seconds) + known(cost->pause_seconds));
}

/* How long the server has waited for a CPU since the watch began; what was known last where
 * nobody counts it, or the server has gone. */
static int64_t server_waited_ns(const struct sensors *s)
{
	int64_t waited;

	return proc_waited_ns(s->waited_fd, &waited) ? s->budget.waited_ns :
						       waited - s->budget.waited_base_ns;
}

/* What a hit of the flow probe takes, its program included. */
static double hit_seconds(const struct sensors *s)
{
	double program = s->budget.flow_program_seconds;

	return known(s->probe_cost.trap_seconds) + (program > 0 ? program : PROGRAM_SECONDS);
}

/* How many times as long as usual credit is saved. */
static double patience(const struct budget *b)
{
	return b->calm ? CALM_TIMES : 1;
}

static void bucket_begin(const struct budget *b, struct bucket *bucket, double rate)
{
	bucket_start(bucket, rate, rate * DEPTH_SECONDS * patience(b), rate * FIRST_SECONDS,
		     b->start_ns);
}

void budget_begin(struct budget *b, const struct budget_plan *plan, int64_t now_ns)
{
	double flow_part = plan->bursts ? FLOW_PART : FLOW_PART_ASIDE;

	memset(b, 0, sizeof(*b));
	b->start_ns = b->tick_ns = b->review_ns = now_ns;
	b->unlimited = plan->ratio >= UNLIMITED_RATIO;
	b->calm = plan->calm;
	bucket_begin(b, &b->all, plan->ratio * (1 - RESERVE));
	b->all.level = 0; /* what comes before the first review is overdrawn */
	/* The flow probe's part is the larger where bursts are wanted, too. */
	bucket_begin(b, &b->flow, plan->ratio * flow_part);
	bucket_begin(b, &b->flow_least, plan->ratio * flow_part * LEAST_PART);
	bucket_begin(b, &b->burst, plan->ratio * BURST_PART);
}

int64_t budget_time(struct budget *b, int64_t now_ns, int64_t waited_ns)
{
	b->waited_ns = waited_ns;
	return now_ns - waited_ns;
}

void budget_start(struct sensors *s)
{
	const struct budget_plan plan = { .ratio = s->config.budget_ratio,
					  .bursts = sensor_on(s, "burst"),
					  .calm = s->engine->config.frugal };
	struct budget *b = &s->budget;
	struct proc_stat stat;

	budget_begin(b, &plan, clock_mono_ns());
	s->waited_fd = proc_waited_open(s->config.pid);
	b->waited_base_ns = server_waited_ns(s);
	b->base_seconds = spent(s);
	b->flow_hits = s->target->totals[TOTAL_FLOW_HITS];
	if (!proc_stat_read(&stat, s->config.pid, NULL))
		b->server_wanted = stat.user_seconds + stat.system_seconds;
}

double budget_fault_rate(const struct sensors *s)
{
	double rate = FAULT_PART * s->config.budget_ratio / FAULT_SECONDS;

	return fmin(s->budget.busy ? rate / 2 : rate, FAULTS_MAX);
}

/* Is the server out of CPU? Of the last tick. One that has to wait for a CPU has none left. */
static bool is_busy(struct sensors *s, double seconds)
{
	struct proc_stat stat;
	double wanted, before = s->budget.server_wanted;

	if (proc_stat_read(&stat, s->config.pid, NULL))
		return false;
	wanted = stat.user_seconds + stat.system_seconds + (double)server_waited_ns(s) / 1e9;
	s->budget.server_wanted = wanted;
	return (wanted - before) / seconds > BUSY_RATIO;
}

static void emit(struct sensors *s, double elapsed, const struct record_sink *sink)
{
	struct record record = { .kind = RECORD_BUDGET };
	struct record_budget *b = &record.budget;

	b->t_seconds = sensor_seconds(s, clock_mono_ns());
	b->budget_ratio = s->config.budget_ratio;
	b->spent_ratio = spent(s) / elapsed;
	b->bpf_seconds = sensors_bpf_seconds(s);
	b->trap_seconds = trap_seconds(s);
	b->attach_seconds = s->budget.attach_seconds;
	b->trap_cost_seconds = s->probe_cost.trap_seconds;
	b->flow_seconds = s->flow ? (double)flow_on_ns(s) / 1e9 : NAN;
	b->flow_duty_ratio = b->flow_seconds / elapsed;
	b->fault_period = sensor_on(s, "fault") ? (int64_t)s->engine->minor_period : RECORD_UNKNOWN;
	b->bursts_total = s->budget.looks;
	if (b->flow_duty_ratio > 1)
		b->flow_duty_ratio = 1;
	record_emit(sink, &record);
}

void budget_tick(struct sensors *s, const struct record_sink *sink)
{
	int64_t now = clock_mono_ns();
	double seconds = (double)(now - s->budget.tick_ns) / 1e9;

	if (!s->bpf || seconds < 0.05)
		return;
	s->budget.busy = is_busy(s, seconds);
	s->budget.flow_program_seconds = sensors_flow_program_seconds(s);
	s->budget.tick_ns = now;
	emit(s, (double)(now - s->budget.start_ns) / 1e9, sink);
}

/* --- what may be spent ------------------------------------------------------------------ */

void budget_spend(struct budget *b, double seconds)
{
	bucket_spend(&b->all, seconds);
}

void budget_spend_flow(struct budget *b, double seconds)
{
	bucket_spend(&b->flow, seconds);
	if (b->on_least)
		bucket_spend(&b->flow_least, seconds);
}

bool budget_flow_may_stand(struct budget *b, bool stands, int64_t now_ns)
{
	double saved = stands ? 0 : COME_SECONDS * patience(b), wanted = b->flow.rate * saved;
	bool all = bucket_level(&b->all, now_ns) >= wanted;

	b->on_least = !all && bucket_level(&b->flow_least, now_ns) >= b->flow_least.rate * saved;
	return b->unlimited || ((all || b->on_least) && bucket_level(&b->flow, now_ns) >= wanted);
}

/* Until it holds what it earns in @seconds. */
static double earning_seconds(struct bucket *b, double seconds, int64_t now_ns)
{
	return b->rate > 0 ? seconds - bucket_level(b, now_ns) / b->rate : INFINITY;
}

double budget_flow_rest(struct budget *b, bool stands, double spends, int64_t now_ns)
{
	double saved = COME_SECONDS * patience(b), left;

	if (b->unlimited)
		return INFINITY;
	if (!stands)
		return fmax(earning_seconds(&b->flow, saved, now_ns),
			    fmin(earning_seconds(&b->all, saved, now_ns),
				 earning_seconds(&b->flow_least, saved, now_ns)));
	left = fmax(bucket_level(&b->all, now_ns), bucket_level(&b->flow_least, now_ns));
	left = fmax(fmin(left, bucket_level(&b->flow, now_ns)), 0);
	return spends > 0 ? left / spends : INFINITY;
}

static int64_t looks_apart_ns(const struct budget *b)
{
	if (b->calm)
		return b->look_idle ? CALM_IDLE_NS : CALM_APART_NS;
	return b->look_idle ? LOOK_IDLE_NS : LOOK_APART_NS;
}

static double look_hold(const struct budget *b)
{
	return fmin(fmax(b->burst.rate * LOOK_EVERY_SECONDS, LOOK_HOLD_MIN), LOOK_HOLD_MAX);
}

/* What has to be saved for the next one. */
static double look_price(const struct budget *b)
{
	return fmin(b->looks ? b->look_price : 2 * look_hold(b), b->burst.depth);
}

double budget_look_seconds(struct budget *b, int64_t now_ns)
{
	if (b->looks && now_ns - b->look_ns < looks_apart_ns(b))
		return 0;
	if (fmin(bucket_level(&b->burst, now_ns), bucket_level(&b->all, now_ns)) < look_price(b))
		return 0;
	return look_hold(b);
}

double budget_look_rest(struct budget *b, int64_t now_ns)
{
	double saved = fmax(earning_seconds(&b->burst, look_price(b) / b->burst.rate, now_ns),
			    earning_seconds(&b->all, look_price(b) / b->all.rate, now_ns));
	int64_t apart = b->looks ? looks_apart_ns(b) - (now_ns - b->look_ns) : 0;

	return fmax(saved, (double)apart / 1e9);
}

void budget_look_done(struct budget *b, double seconds, bool idle, int64_t now_ns)
{
	bucket_spend(&b->burst, seconds);
	b->look_price = b->looks ? (3 * b->look_price + seconds) / 4 : seconds;
	b->looks++;
	b->look_idle = idle;
	b->look_ns = now_ns;
}

/* All that was spent is taken from the bucket of all. */
static void review(struct sensors *s, int64_t now)
{
	struct budget *b = &s->budget;
	double all;

	if (now - b->review_ns < REVIEW_NS)
		return;
	all = spent(s);
	budget_spend(b, all - b->charged_seconds);
	b->charged_seconds = all;
	b->review_ns = now;
}

/* What the hits since the last time took. */
static double charge_hits(struct sensors *s)
{
	uint64_t hits = s->target->totals[TOTAL_FLOW_HITS];
	double price = (double)(hits - s->budget.flow_hits) * hit_seconds(s);

	budget_spend_flow(&s->budget, price);
	s->budget.flow_hits = hits;
	return price;
}

/* What the probe spends in a second. One that has just come has not been seen to spend yet: what
 * it took the last time holds until it has stood from one look to the next. */
static double flow_spends(struct sensors *s, bool stands, double polled)
{
	struct budget *b = &s->budget;
	double seen = charge_hits(s) / polled;

	b->flow_spends = stands && b->flow_stood ? seen : fmax(seen, b->flow_spends);
	b->flow_stood = stands;
	return b->flow_spends;
}

/* @polled is for how long nobody has looked. */
static void control_flow(struct sensors *s, int64_t now, double polled)
{
	double pause =
		budget_move_seconds(&s->probe_cost, flow_places(s)) + uprobe_removal_seconds();
	bool stands, may;
	double spends;

	if (flow_settle(s)) {
		sensor_off(s, "flow", "its probe could not be put in again");
		return;
	}
	stands = flow_stands(s);
	spends = flow_spends(s, stands, polled);
	/* The first hits are worth their price: from them on all bytes are counted. */
	may = !flow_is_known(s) || budget_flow_may_stand(&s->budget, stands, now);
	if (stands ? may : !may || !flow_is_out(s)) {
		s->budget.rest_seconds = budget_flow_rest(&s->budget, stands, spends, now);
		return;
	}
	flow_switch(s, may);
	s->budget.rest_seconds = 0; /* it is on its way */
	s->flow_partly = true;
	s->budget.attach_seconds += pause;
	budget_spend_flow(&s->budget, pause);
}

static void control_burst(struct sensors *s, int64_t now, const struct record_sink *sink)
{
	struct budget *b = &s->budget;
	struct look_result result;
	double hold;

	if (burst_end(s, &result, sink)) {
		/* Both probes stand on the same places, which change when the first comes and
		 * when the last goes. */
		double pauses =
			2 * budget_move_seconds(&s->probe_cost, s->config.allocator->entries);

		b->attach_seconds += pauses;
		b->burst_seconds += result.seconds;
		budget_look_done(b, result.seconds + pauses, result.idle, now);
	}
	hold = budget_look_seconds(b, now);
	if (hold > 0)
		burst_start(s, hold);
	b->rest_seconds = fmin(b->rest_seconds, budget_look_rest(b, now));
}

/* At each turn of the watch's loop. */
void budget_poll(struct sensors *s, const struct record_sink *sink)
{
	bool flow = s->flow && sensor_on(s, "flow"), burst = sensor_on(s, "burst");
	int64_t now = clock_mono_ns();
	double polled = (double)(now - s->budget.poll_ns) / 1e9;

	/* Stalls of a busy server make the loop turn more often. */
	if (!s->bpf || !s->budget.start_ns ||
	    (s->budget.calm && now - s->budget.poll_ns < CALM_POLL_NS))
		return;
	s->budget.poll_ns = now;
	review(s, now);
	s->budget.rest_seconds = INFINITY;
	if (!flow && !burst) /* nobody spends credit */
		return;
	now = budget_time(&s->budget, clock_mono_ns(), server_waited_ns(s));
	if (flow)
		control_flow(s, now, polled);
	if (burst)
		control_burst(s, now, sink);
}
