// SPDX-License-Identifier: Apache-2.0
//
// How threads cancel what belongs to another one's loop, in Promela, for spin: the requests of
// cancel_request.c, in a job, and in the root of a loop that runs twice.
//
// Two threads cancel at any time, each of them once or twice. The loop's coroutine ends by itself
// at any time, or waits until it is cancelled. The handle is closed at any time after the threads
// have let go of it, perhaps after the run. How a post wakes a loop that sleeps is the other
// model's subject; here a loop that has a message does not sleep.
//
// -DBUG_... plants a bug, which must be found: run.sh does that for each.

#define THREADS 2

#define OPEN 0
#define SENT 1
#define CLOSED 2

// The request
byte state;
bool was_read;
bool due;

// The loop
bool inbox;  // the message is there
byte posters;
byte cancels_due;
bool running = true;

// What is cancelled
bool alive = true;
bool cancelled;
bool patient;  // it ends only when it is cancelled
bool handle_open = true;
bool freed;

bool is_root;
bool starting = true;
byte runs_left;
bool over;
byte returned;  // threads that will not cancel any more

inline claim(won) {
#ifdef BUG_LOOKS_BEFORE_IT_CLAIMS
  atomic { assert(!freed); won = state == OPEN };
  atomic { assert(!freed); if :: won -> state = SENT :: else fi }
#else
  d_step {
    assert(!freed);
#ifdef BUG_SENDS_EACH_TIME
    won = state != CLOSED;
#else
    won = state == OPEN;
#endif
    if
    :: won -> state = SENT
    :: else
    fi
  }
#endif
}

// weir_internal_cancel_request_send, and weir_internal_loop_post.
inline send() {
  claim(won);
  if
  :: won ->
    atomic { assert(running); posters++ };
    atomic { assert(running && !freed && !inbox); inbox = true };
    atomic { assert(running); posters-- }
  :: else
  fi
}

active [THREADS] proctype thread() {
  bool won;
  !starting;
  send();
  if
  :: send()
  :: true
  fi;
  returned++
}

inline free_if_last() {
  if
#ifdef BUG_FREES_WHAT_IS_DUE
  :: !alive && !handle_open && !is_root -> assert(!freed); freed = true
#else
  :: !alive && !handle_open && !due && !is_root -> assert(!freed); freed = true
#endif
  :: else
  fi
}

// weir_internal_cancel_request_close, when the coroutine has ended.
inline end_coroutine() {
  alive = false;
#ifndef BUG_DOES_NOT_CLOSE
  d_step {
#ifdef BUG_FORGETS_WHAT_WAS_READ
    due = state == SENT;
#else
    due = state == SENT && !was_read;
#endif
    state = CLOSED
  };
  if
  :: due -> cancels_due++
  :: else
  fi;
#endif
  free_if_last()
}

// weir_internal_cancel_request_read, and what follows.
inline read_message() {
  assert(!freed);
  was_read = true;
  if
  :: due -> due = false; cancels_due--; free_if_last()
  :: else ->
    assert(alive);
    cancelled = true
  fi
}

inline close_handle() {
  handle_open = false;
  free_if_last()
}

inline serve() {
  do
  :: inbox -> inbox = false; read_message()
  :: alive && (cancelled || !patient) -> end_coroutine()
  :: alive && !cancelled && may_cancel -> may_cancel = false; cancelled = true
  :: handle_open && returned == THREADS -> close_handle()
#ifdef BUG_ENDS_WHILE_ONE_IS_DUE
  :: atomic { !alive && !inbox -> break }
#else
  :: atomic { !alive && !inbox && cancels_due == 0 -> break }
#endif
  od;
  posters == 0;
  running = false
}

// Each run has a root of its own, in the same memory.
inline begin_again() {
  running = true;
  alive = true;
  cancelled = false;
  was_read = false;
  if
  :: patient = false  // the threads may be through by now
  fi;
  state = OPEN
}

active proctype loop() {
  bool may_cancel;
  if
  :: is_root = true; runs_left = 1
  :: true
  fi;
  if
  :: patient = true
  :: true
  fi;
  if
  :: may_cancel = true  // from the loop's own thread
  :: true
  fi;
  starting = false;
  serve();
  do
  :: runs_left > 0 -> runs_left--; begin_again(); serve()
  :: runs_left == 0 -> break
  od;
  if
  :: handle_open -> returned == THREADS -> close_handle()
  :: else
  fi;
  over = true
}

// When all is over.
active proctype end() {
  over && returned == THREADS;
  assert(!inbox && cancels_due == 0);
  assert(freed || is_root)
}
