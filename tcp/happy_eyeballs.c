// SPDX-License-Identifier: Apache-2.0
//
// Happy eyeballs, RFC 8305: the addresses of a host are tried in turn, those of IPv6 and IPv4 by
// turns, each a while after the one before; who is connected first wins, and the others are
// cancelled. Each lookup and each attempt is a coroutine of one scope; they tell the coroutine that
// waits what came of them.

#include "address/internal/host_name.h"
#include "base/internal/memory.h"
#include "coroutine/internal/suspend.h"
#include "tcp/internal/connect.h"
#include "weir/resolve.h"

// How much a failure says of why the whole failed.
typedef enum failure_rank {
  NO_FAILURE,
  NO_SUCH_NAME,
  LOOKUP_FAILED,
  NO_WAY_THERE,
  ATTEMPT_FAILED,
} failure_rank;

typedef struct race race;

typedef struct attempt {
  race *race;
  const weir_address *remote;
} attempt;

// The addresses of one family.
typedef struct address_list {
  race *race;
  weir_family family;
  bool answered;
  int64_t answered_at;
  size_t count;
  size_t tried;
  weir_address *addresses;
} address_list;

struct race {
  const weir_tcp_builder *tcp;
  const char *host;
  uint16_t port;
  weir_scope *scope;
  weir_internal_wait_queue news;
  address_list lists[2];  // the family that is preferred comes first
  int next_list;
  const attempt *latest;  // NULL: none yet, or it has failed
  int64_t latest_began;
  size_t begun;
  size_t running;
  failure_rank rank;
  int failure;
  weir_internal_tcp_dialled winner;
  attempt attempts[2 * WEIR_INTERNAL_TCP_MOST_ADDRESSES];
};

static void remember_failure(race *self, int result, failure_rank rank) {
  if (rank <= self->rank) return;
  self->failure = result;
  self->rank = rank;
}

// Attempts

// Machines without IPv6 fail all its addresses so, which says nothing about the host.
static failure_rank rank_of_attempt(int result) {
  switch (result) {
    case -ENETUNREACH:
    case -EHOSTUNREACH:
    case -ENETDOWN:
    case -EADDRNOTAVAIL:
    case -EAFNOSUPPORT:
      return NO_WAY_THERE;
    default:
      return ATTEMPT_FAILED;
  }
}

static void end_attempt(race *self, const attempt *ended, int result) {
  self->running--;
  if (self->latest == ended) self->latest = NULL;
  if (result < 0) remember_failure(self, result, rank_of_attempt(result));
  weir_internal_wait_queue_wake_all(&self->news, 0);
}

static int run_attempt(void *argument) {
  attempt *current = (attempt *)argument;
  race *self = current->race;
  weir_internal_tcp_dialled dialled;
  int result = weir_internal_tcp_dial(&dialled, self->tcp, self->host, current->remote);
  if (result == 0 && self->winner.connection == NULL) {
    self->winner = dialled;
  } else if (result == 0) {
    weir_internal_tcp_connection_discard(dialled.connection);
  }
  end_attempt(self, current, result);
  return 0;
}

// The list whose turn it is, if it has something left, or else the other; NULL when both are tried.
static address_list *next_list(race *self) {
  for (int i = 0; i < 2; i++) {
    address_list *list = &self->lists[(self->next_list + i) % 2];
    if (list->tried < list->count) return list;
  }
  return NULL;
}

static void begin_attempt(race *self, address_list *list) {
  attempt *next = &self->attempts[self->begun++];
  next->race = self;
  next->remote = &list->addresses[list->tried++];
  self->next_list = list == &self->lists[0] ? 1 : 0;
  self->latest = next;
  self->latest_began = weir_now();
  self->running++;
  static const weir_launch_options options = {.name = "connection attempt"};
  int result = weir_launch(self->scope, NULL, &options, run_attempt, next);
  if (result < 0) end_attempt(self, next, result);
}

// Lookups

static void end_lookup(address_list *list, int result) {
  list->answered = true;
  list->answered_at = weir_now();
  if (result > 0) list->count = (size_t)result;
  if (result < 0) {
    bool not_found = result == WEIR_E_NAME_NOT_FOUND;
    remember_failure(list->race, result, not_found ? NO_SUCH_NAME : LOOKUP_FAILED);
  }
  weir_internal_wait_queue_wake_all(&list->race->news, 0);
}

static int run_lookup(void *argument) {
  address_list *list = (address_list *)argument;
  const race *self = list->race;
  const weir_tcp_connect_options *connect = &self->tcp->options.connect;
  weir_resolve_options options = {.family = list->family, .resolver = connect->resolver};
  end_lookup(list,
             weir_resolve(list->addresses, connect->addresses, &options, self->host, self->port));
  return 0;
}

static void begin_lookup(address_list *list) {
  static const weir_launch_options options = {.name = "name lookup"};
  int result = weir_launch(list->race->scope, NULL, &options, run_lookup, list);
  if (result < 0) end_lookup(list, result);
}

// What is known without a lookup. IPv4 comes first, where weir_tcp_bind has "localhost" listen.
static int know_localhost(race *self) {
  const char *const literals[] = {"127.0.0.1", "::1"};
  for (int i = 0; i < 2; i++) {
    int result = weir_address_parse(self->lists[i].addresses, literals[i], self->port);
    if (result < 0) return result;
    end_lookup(&self->lists[i], 1);
  }
  return 0;
}

// The race

// From when on the first attempt may begin, as far as it is known; WEIR_FOREVER: not yet known.
static int64_t first_attempt_time(const race *self) {
  const address_list *preferred = &self->lists[0];
  const address_list *other = &self->lists[1];
  if (preferred->count > 0) return 0;
  if (other->count == 0) return WEIR_FOREVER;
  if (preferred->answered) return 0;
  int64_t delay = self->tcp->options.connect.resolution_delay;
  return delay > WEIR_FOREVER - other->answered_at ? WEIR_FOREVER : other->answered_at + delay;
}

// From when on the next attempt may begin.
static int64_t next_attempt_time(const race *self) {
  if (self->begun == 0) return first_attempt_time(self);
  if (self->latest == NULL) return 0;
  int64_t delay = self->tcp->options.connect.attempt_delay;
  return delay > WEIR_FOREVER - self->latest_began ? WEIR_FOREVER : self->latest_began + delay;
}

static bool is_lost(race *self) {
  return self->lists[0].answered && self->lists[1].answered && self->running == 0 &&
         next_list(self) == NULL;
}

// Runs until somebody has won. Returns 0 or why nobody will.
static int run_race(race *self) {
  while (self->winner.connection == NULL) {
    int result = weir_internal_check(NULL);
    if (result < 0) return result;
    if (is_lost(self)) return self->failure;
    address_list *list = next_list(self);
    int64_t until = list == NULL ? WEIR_FOREVER : next_attempt_time(self);
    if (list != NULL && until <= weir_now()) {
      begin_attempt(self, list);
      continue;
    }
    result = weir_internal_wait_queue_wait_for(&self->news, until, "connect");
    if (result < 0 && result != -ETIME && self->winner.connection == NULL) return result;
  }
  return 0;
}

// What to tell if time has run out: a refusal says more than that somebody else has not answered;
// not so that there is no way to an address, while one to which there is may still answer.
static int failure_so_far(const race *self) {
  if (self->rank == ATTEMPT_FAILED) return self->failure;
  return self->rank == NO_WAY_THERE && self->running == 0 ? self->failure : 0;
}

static int open_race(race *self) {
  int result = weir_scope_open(&self->scope, NULL);
  if (result < 0) return result;
  if (weir_internal_host_name_ends_in(self->host, "localhost")) return know_localhost(self);
  begin_lookup(&self->lists[0]);
  begin_lookup(&self->lists[1]);
  return 0;
}

static size_t race_size(const weir_tcp_builder *tcp) {
  return sizeof(race) + 2 * tcp->options.connect.addresses * sizeof(weir_address);
}

static race *make_race(const weir_tcp_builder *tcp, const char *host, uint16_t port) {
  race *self = (race *)weir_internal_allocate(race_size(tcp));
  if (self == NULL) return NULL;
  self->tcp = tcp;
  self->host = host;
  self->port = port;
  weir_internal_wait_queue_init(&self->news);
  weir_address *addresses = (weir_address *)(void *)(self + 1);
  for (int i = 0; i < 2; i++) {
    self->lists[i].race = self;
    self->lists[i].family = i == 0 ? WEIR_IPV6 : WEIR_IPV4;
    self->lists[i].addresses = addresses + (size_t)i * tcp->options.connect.addresses;
  }
  return self;
}

int weir_internal_tcp_dial_host(weir_internal_tcp_dialled *out, const weir_tcp_builder *tcp,
                                const char *host, uint16_t port) {
  race *self = make_race(tcp, host, port);
  if (self == NULL) return -ENOMEM;
  int result = open_race(self);
  if (result == 0) result = run_race(self);
  int failure = failure_so_far(self);
  // Cancels those that still run; one may win at this very moment, and is discarded or was first.
  weir_scope_close(self->scope);
  *out = self->winner;
  out->failure = failure;
  if (result < 0 && out->connection != NULL) {
    weir_internal_tcp_connection_discard(out->connection);
    out->connection = NULL;
  }
  weir_internal_release(self, race_size(tcp));
  return result;
}
