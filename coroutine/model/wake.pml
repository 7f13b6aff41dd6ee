// SPDX-License-Identifier: Apache-2.0
//
// How threads wake the coroutines of a loop, in Promela, for spin: the tickets of coroutine.c, the
// inbox, its eventfd and the count of posters of loop.c, and the waiters and guests of meeting.h,
// with a semaphore for the meeting. docs/concurrency_model.md tells how to run it.
//
// One loop runs two coroutines, each of which acquires a permit some times. Two other threads
// release, the first of them closes the semaphore at last, and a third has an old ticket that it
// uses at any time. The loop's thread cancels a coroutine at any time.
//
// Each statement is what one thread does in one step that others see. Spin tries every order.
//
// -DBUG_... plants a bug, which must be found: run.sh does that for each.

#define COROUTINES 2
#define ACQUISITIONS 2

#define SERVED 1
#define CLOSED 2
#define CANCELLED 3
#define LATE 4

// Coroutines and their tickets. Tickets are generations times two, plus one while they are open.
byte generations;
byte first_coroutine;  // that had the first
byte ticket[COROUTINES];
byte wake_reason[COROUTINES];
bool ready[COROUTINES];
bool parked[COROUTINES];
bool ended[COROUTINES];
bool cancelled[COROUTINES];

// The loop
byte inbox;  // a bit for the message of each coroutine
bool eventfd;
byte posters;
bool loop_freed;

// The semaphore
bool taken;  // its lock
byte permits;
bool closed;
byte guests;
bool freed;
bool queued[COROUTINES];
byte waiter_ticket[COROUTINES];

// What is only here to be asserted: deliveries to the present suspension, the ticket they were for,
// who is about to take the lock, permits that were given back and had.
byte deliveries[COROUTINES];
byte woken_by[COROUTINES];
bool arriving[COROUTINES];
bool closing;
byte releases;
byte served;
byte threads_done;

// Claims the ticket |which| of |who|: a compare-and-swap.
inline claim(who, which, won) {
  d_step {
#ifdef BUG_CLAIM_LOOKS_ONLY_WHETHER_IT_IS_OPEN
    won = (ticket[who] & 1) == 1;
#else
    won = ticket[who] == (which);
#endif
    if
    :: won -> woken_by[who] = (which); ticket[who] = ticket[who] - 1
    :: else
    fi
  }
}

// weir_internal_deliver and weir_internal_loop_post, from another thread.
inline deliver(who, why) {
  wake_reason[who] = why;
  deliveries[who]++;
  assert(deliveries[who] == 1);
  atomic { assert(!loop_freed); posters++ };
  d_step { was_empty = inbox == 0; inbox = inbox | (1 << who) };
#ifdef BUG_WAKES_ONLY_A_FULL_INBOX
  was_empty = !was_empty;
#endif
  if
  :: was_empty -> atomic { assert(!loop_freed); eventfd = true }
  :: else
  fi;
  atomic { assert(!loop_freed); posters-- }
}

inline lock() {
  atomic { !taken -> assert(!freed); taken = true }
}

// weir_internal_meeting_give
inline give() {
  if
  :: closed && guests == 0 -> atomic { assert(!freed); freed = true; taken = false }
  :: else -> atomic { assert(!freed); taken = false }
  fi
}

// weir_internal_meeting_claim. |found| is COROUTINES when nobody can be served.
inline claim_first(found) {
  found = COROUTINES;
  do
  :: found == COROUTINES && queued[0] -> take_out(0, found)
  :: found == COROUTINES && queued[1] -> take_out(1, found)
  :: else -> break
  od
}

inline take_out(who, found) {
  queued[who] = false;
  claim(who, waiter_ticket[who], won);
  if
  :: won -> found = who
  :: else ->
#ifndef BUG_LOSERS_ARE_NOT_COUNTED
    guests++
#else
    skip
#endif
#ifdef BUG_WHO_LOSES_TAKES_THE_PERMIT
    found = COROUTINES + 1
#endif
  fi
}

inline release() {
  lock();
  releases++;
  claim_first(chosen);
  if
  :: chosen == COROUTINES -> permits++
  :: chosen < COROUTINES -> served++
  :: else
  fi;
  // Nobody is left waiting beside a permit.
  assert(permits == 0 || !(queued[0] && ticket[0] == waiter_ticket[0]));
  assert(permits == 0 || !(queued[1] && ticket[1] == waiter_ticket[1]));
  give();
  if
  :: chosen < COROUTINES -> deliver(chosen, SERVED)
  :: else
  fi
}

inline close() {
  // Nobody may be just beginning to use it.
  atomic { !arriving[0] && !arriving[1] -> closing = true };
  lock();
  closed = true;
  claim_first(chosen);
  claim_first(second);
  give();
  if
  :: chosen < COROUTINES -> deliver(chosen, CLOSED)
  :: else
  fi;
  if
  :: second < COROUTINES -> deliver(second, CLOSED)
  :: else
  fi
}

active [2] proctype thread() {
  byte chosen, second;
  bool won, was_empty;
  release();
  if
  :: _pid == 0 -> threads_done == 1 -> close()
  :: else
  fi;
  threads_done++
}

// Has the ticket of the first suspension of all.
active proctype late_waker() {
  bool won, was_empty;
  if
  :: atomic {
       generations > 0 && !loop_freed -> claim(first_coroutine, 3, won)
     };
     if
     :: won -> deliver(first_coroutine, LATE)
     :: else
     fi
  :: loop_freed
  fi
}

// What |who| does when it runs, until it suspends or ends. A coroutine that is not parked begins to
// acquire.
inline resume(who) {
  do
  :: parked[who] ->
    parked[who] = false;
    assert(woken_by[who] == waiter_ticket[who]);
    deliveries[who] = 0;
    if
    :: wake_reason[who] == SERVED  // and it does not look at the semaphore any more
    :: wake_reason[who] == CLOSED
    :: else -> leave(who)
    fi
  :: !parked[who] ->
    if
    :: acquisitions[who] == ACQUISITIONS || cancelled[who] -> ended[who] = true; break
    :: else ->
      acquisitions[who]++;
      atomic {
        if
        :: closing -> ended[who] = true
        :: else -> arriving[who] = true
        fi
      };
      if
      :: ended[who] -> break
      :: else
      fi;
      lock();
      if
      :: permits > 0 -> permits--; served++; arriving[who] = false; give()
      :: else ->
        d_step {
          generations++;
          if
          :: generations == 1 -> first_coroutine = who
          :: else
          fi;
          ticket[who] = generations * 2 + 1;
          waiter_ticket[who] = ticket[who];
          parked[who] = true
        };
        queued[who] = true;
        atomic { taken = false; arriving[who] = false };
        break
      fi
    fi
  od
}

inline leave(who) {
  lock();
  if
  :: queued[who] -> queued[who] = false
  :: else ->
#ifndef BUG_LOSERS_ARE_NOT_COUNTED
    guests--
#else
    skip
#endif
  fi;
  give()
}

// On the loop's own thread: no message.
inline cancel(who) {
  cancelled[who] = true;
  claim(who, ticket[who] | 1, won);
#ifdef BUG_CANCELS_WITHOUT_A_CLAIM
  won = parked[who];
#endif
  if
  :: won && parked[who] ->
    wake_reason[who] = CANCELLED;
    deliveries[who]++;
    assert(deliveries[who] == 1);
    ready[who] = true
  :: else
  fi
}

inline read_inbox() {
  d_step { messages = inbox; inbox = 0 };
  if
  :: messages & 1 -> assert(!ready[0]); ready[0] = true
  :: else
  fi;
  if
  :: messages & 2 -> assert(!ready[1]); ready[1] = true
  :: else
  fi
}

inline run_ready() {
  if
  :: ready[0] -> ready[0] = false; resume(0)
  :: else
  fi;
  if
  :: ready[1] -> ready[1] = false; resume(1)
  :: else
  fi
}

active proctype loop() {
  byte acquisitions[COROUTINES];
  byte messages;
  bool won, busy;
  bool may_cancel = true;
  ready[0] = true;
  ready[1] = true;
  do
  :: ended[0] && ended[1] -> break
  :: else ->
    read_inbox();
    if
    :: may_cancel -> may_cancel = false; cancel(0)
    :: may_cancel -> may_cancel = false; cancel(1)
    :: true
    fi;
    run_ready();
    busy = ready[0] || ready[1] || inbox != 0 || (ended[0] && ended[1]);
#ifdef BUG_EVENTFD_IS_DRAINED_BEFORE_SLEEPING
    eventfd = false;
#endif
    if
    :: busy  // what the eventfd says may come now or later
    :: atomic { eventfd -> eventfd = false }
    :: may_cancel  // a timer
    fi
  od;
#ifndef BUG_DOES_NOT_AWAIT_POSTERS
  posters == 0;
#endif
  loop_freed = true
}

// When all is over.
active proctype end() {
  threads_done == 2 && loop_freed;
  assert(freed);
  assert(inbox == 0);
  assert(releases == 2 && served + permits == releases)
}
