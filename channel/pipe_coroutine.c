// SPDX-License-Identifier: Apache-2.0
//
// Coroutines at the end of a channel: the user has one end of a pipe, a coroutine the other. The
// user's end outlives the coroutine, since its close waits for that.

#include "base/internal/memory.h"
#include "channel/internal/pipe.h"
#include "coroutine/internal/coroutine.h"
#include "weir/copy.h"

typedef struct pipe_coroutine {
  weir_internal_pipe_partner partner;  // of |outer|
  weir_connection *outer;              // the user's end
  weir_connection *inner;              // the coroutine's; NULL when it is being closed
  int (*write)(weir_write_channel *channel, void *argument);  // one of these two
  int (*read)(weir_read_channel *channel, void *argument);
  void *argument;
  bool auto_flush;
  weir_job *job;
  bool ended;
  bool lingering;  // the close of |outer| waits for the end
} pipe_coroutine;

static pipe_coroutine *coroutine_of(weir_internal_pipe_partner *partner) {
  return WEIR_INTERNAL_CONTAINER(partner, pipe_coroutine, partner);
}

// What the user's end calls

static bool linger(weir_internal_pipe_partner *partner) {
  pipe_coroutine *self = coroutine_of(partner);
  // One that writes has nothing to write for any more, and is stopped; one that reads may go on.
  self->lingering = self->read != NULL && !self->ended;
  return !self->lingering;
}

static void cancel(pipe_coroutine *self, int cause) {
  if (self->write != NULL && self->inner != NULL) {
    weir_write_channel_cancel(&self->inner->writer, cause);
  }
  if (!self->ended) weir_job_cancel(self->job);
}

static bool stop(weir_internal_pipe_partner *partner) {
  pipe_coroutine *self = coroutine_of(partner);
  self->lingering = false;
  if (self->ended) return true;
  cancel(self, WEIR_E_CLOSED);
  return false;
}

static void aborted(weir_internal_pipe_partner *partner) {
  cancel(coroutine_of(partner), -ECONNABORTED);
}

static void released(weir_internal_pipe_partner *partner) {
  weir_internal_release(coroutine_of(partner), sizeof(pipe_coroutine));
}

// The coroutine

static void close_inner(pipe_coroutine *self) {
  weir_connection *inner = self->inner;
  self->inner = NULL;
  int result = weir_connection_close(inner);
  // Whatever was lost, those concerned were told.
  (void)result;
}

// The coroutines that the function launched may use its channel, too. They end as they do behind
// any coroutine's function, only before the channel does.
static void end_nested(int result) {
  weir_internal_scopes_end(weir_internal_current_coroutine(), result);
}

static int write_all(pipe_coroutine *self) {
  weir_write_channel *channel = weir_open_write_channel(self->inner, self->auto_flush);
  int result = self->write(channel, self->argument);
  end_nested(result);
  // Not left to the close of the connection: the reader may take its time.
  int ended = result < 0 ? result : weir_write_channel_close(channel);
  if (ended < 0) weir_write_channel_cancel(channel, ended);
  close_inner(self);
  return result;
}

static int read_all(pipe_coroutine *self) {
  weir_read_channel *channel = weir_open_read_channel(self->inner);
  int result = self->read(channel, self->argument);
  end_nested(result);
  if (result < 0) {
    weir_read_channel_cancel(channel, result);
    if (self->outer->outcome == 0) self->outer->outcome = result;
  }
  close_inner(self);
  return result;
}

static int run(void *argument) {
  pipe_coroutine *self = (pipe_coroutine *)argument;
  int result = self->write != NULL ? write_all(self) : read_all(self);
  weir_job_close(self->job);
  self->ended = true;
  // Both may free the user's end, and |self| with it.
  if (self->lingering) {
    weir_internal_connection_lingered(self->outer);
  } else {
    weir_internal_connection_close_on(self->outer);
  }
  return result;
}

// The making

static int launch(pipe_coroutine *self, weir_scope *scope, const weir_end_options *options) {
  const weir_pipe_options pipe_options = {.capacity = options->capacity};
  int result = weir_pipe(&self->outer, &self->inner, &pipe_options);
  if (result < 0) return result;
  result = weir_launch(scope, &self->job, &options->launch, run, self);
  if (result == 0) {
    weir_internal_pipe_set_partner(self->outer, &self->partner);
    // Nobody reads what the user may write towards one that writes.
    if (self->write != NULL) weir_read_channel_cancel(&self->inner->reader, -EPIPE);
    return 0;
  }
  close_inner(self);
  (void)weir_connection_close(self->outer);
  return result;
}

static int make(weir_connection **out, weir_scope *scope, const weir_end_options *options,
                const pipe_coroutine *prototype) {
  static const weir_end_options defaults = {0};
  *out = NULL;
  if (options == NULL) options = &defaults;
  pipe_coroutine *self = (pipe_coroutine *)weir_internal_allocate(sizeof *self);
  if (self == NULL) return -ENOMEM;
  *self = *prototype;
  self->partner = (weir_internal_pipe_partner){linger, stop, aborted, released};
  self->auto_flush = options->auto_flush;
  int result = launch(self, scope, options);
  if (result < 0) {
    weir_internal_release(self, sizeof *self);
    return result;
  }
  *out = self->outer;
  return 0;
}

int weir_writer(weir_connection **out, weir_scope *scope, const weir_end_options *options,
                int (*function)(weir_write_channel *channel, void *argument), void *argument) {
  const pipe_coroutine prototype = {.write = function, .argument = argument};
  if (function != NULL) return make(out, scope, options, &prototype);
  *out = NULL;
  return -EINVAL;
}

int weir_reader(weir_connection **out, weir_scope *scope, const weir_end_options *options,
                int (*function)(weir_read_channel *channel, void *argument), void *argument) {
  const pipe_coroutine prototype = {.read = function, .argument = argument};
  if (function != NULL) return make(out, scope, options, &prototype);
  *out = NULL;
  return -EINVAL;
}
