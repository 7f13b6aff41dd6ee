// SPDX-License-Identifier: Apache-2.0
//
// The connection below. During the handshake the session holds its channels as one operation, as a
// copy does, so that others can close or abort it but not free it. Afterwards each step is an
// operation of its own, and what the steps have left in the write channel leaves by auto-flush,
// whatever ends the wait for it.

#include "base/internal/memory.h"
#include "tls/internal/session.h"

static bool holds(const weir_internal_tls_session *session) { return session->above == NULL; }

// Reading

static int fill_at_once(weir_read_channel *reader) {
  int result = weir_internal_reader_look(reader);
  if (result < 0) return result;
  if (weir_internal_reader_held(reader) > 0) return 1;
  return reader->ended ? 0 : -EAGAIN;
}

static int fill_waiting(weir_read_channel *reader) {
  int result = weir_internal_reader_gather(reader, 1);
  return result == 0 ? 1 : result == WEIR_E_END_OF_STREAM ? 0 : result;
}

int weir_internal_tls_receive(weir_internal_tls_session *session, char *out, size_t size) {
  weir_read_channel *reader = &session->below->reader;
  int result = weir_internal_reader_enter_at_once(reader);
  if (result < 0) return result;
  result = weir_internal_reader_receive_at_once(reader, out, size);
  if (result == 0) session->input_ended = true;
  return weir_internal_reader_leave(reader, result);
}

int weir_internal_tls_fill(weir_internal_tls_session *session, bool wait) {
  weir_read_channel *reader = &session->below->reader;
  int result = 0;
  if (!holds(session)) {
    result = wait ? weir_internal_reader_enter(reader) : weir_internal_reader_enter_at_once(reader);
    if (result < 0) return result;
  }
  result = wait ? fill_waiting(reader) : fill_at_once(reader);
  if (result == 0) session->input_ended = true;
  return holds(session) ? result : weir_internal_reader_leave(reader, result);
}

// Writing

static void release_output(weir_internal_tls_session *session) {
  if (session->output == NULL || weir_internal_tls_unsent(session) > 0) return;
  weir_internal_tls_drop_output(session);
}

size_t weir_internal_tls_send_directly(weir_internal_tls_session *session, const char *data,
                                       size_t size) {
  if (size < WEIR_INTERNAL_TLS_RECORD || weir_internal_tls_unsent(session) > 0) return 0;
  // One that keeps what it takes runs other code for it, which may need BoringSSL as well.
  if (holds(session) || session->below->transport->flush != NULL) return 0;
  weir_write_channel *writer = &session->below->writer;
  size_t taken = 0;
  // Whether the coroutine may go on is asked by what waits.
  weir_shield shield = weir_shield_begin();
  if (weir_internal_writer_enter_at_once(writer) == 0) {
    taken = weir_internal_writer_offer(writer, weir_bytes_of(data, size));
    int result = weir_internal_writer_leave(writer, 0);
    (void)result;  // whoever writes next is told
  }
  weir_shield_end(shield);
  return taken;
}

// Makes the buffer with what is unsent that of the channel. Returns false if that is not possible.
static bool pass_buffer(weir_internal_tls_session *session, weir_write_channel *writer) {
  if (weir_internal_writer_pending(writer) > 0 || session->output_start > 0) return false;
  if (session->output_end > writer->capacity || session->output_size < writer->capacity) {
    return false;
  }
  weir_internal_writer_adopt(writer, session->output, session->output_size, session->output_end);
  session->output = NULL;
  session->output_size = session->output_end = 0;
  return true;
}

// Copies as much as there is room for.
static int copy_some(weir_internal_tls_session *session, weir_write_channel *writer) {
  size_t room = writer->capacity - weir_internal_writer_pending(writer);
  size_t size = weir_internal_tls_unsent(session);
  if (size > room) size = room;
  weir_bytes bytes = weir_bytes_of(session->output + session->output_start, size);
  weir_internal_outgoing text = weir_internal_outgoing_of(&bytes, 1, size);
  int result = size > 0 ? weir_internal_writer_put(writer, &text) : 0;
  session->output_start += text.done;
  return result;
}

int weir_internal_tls_hand_over(weir_internal_tls_session *session) {
  if (weir_internal_tls_unsent(session) == 0) {
    release_output(session);
    return 0;
  }
  weir_write_channel *writer = &session->below->writer;
  // It was taken already; whether the coroutine may go on is asked by what waits.
  weir_shield shield = weir_shield_begin();
  int result = weir_internal_writer_enter_at_once(writer);
  if (result == 0) {
    if (!pass_buffer(session, writer)) result = copy_some(session, writer);
    result = weir_internal_writer_leave(writer, result);
  }
  weir_shield_end(shield);
  release_output(session);
  return result;
}

// Puts what is unsent behind what the channel holds, in a larger buffer.
static int enlarge(weir_internal_tls_session *session, weir_write_channel *writer) {
  size_t pending = weir_internal_writer_pending(writer);
  size_t unsent = weir_internal_tls_unsent(session);
  size_t size = pending + unsent;
  if (size > UINT32_MAX) return -EMSGSIZE;
  char *larger = weir_internal_buffer_take(session->pool, size);
  if (larger == NULL) return -ENOMEM;
  if (pending > 0) memcpy(larger, writer->buffer + writer->start, pending);
  memcpy(larger + pending, session->output + session->output_start, unsent);
  if (writer->capacity < size) writer->capacity = (uint32_t)size;
  weir_internal_writer_adopt(writer, larger, weir_internal_buffer_size(size), size);
  weir_internal_tls_drop_output(session);
  return 0;
}

int weir_internal_tls_hand_over_rest(weir_internal_tls_session *session) {
  int result = weir_internal_tls_hand_over(session);
  if (result < 0 || weir_internal_tls_unsent(session) == 0) return result;
  weir_write_channel *writer = &session->below->writer;
  result = weir_internal_writer_enter_at_once(writer);
  if (result < 0) return result;
  return weir_internal_writer_leave(writer, enlarge(session, writer));
}

int weir_internal_tls_send(weir_internal_tls_session *session) {
  weir_write_channel *writer = &session->below->writer;
  int result = 0;
  if (weir_internal_tls_unsent(session) > 0 && !pass_buffer(session, writer)) {
    size_t size = weir_internal_tls_unsent(session);
    weir_bytes bytes = weir_bytes_of(session->output + session->output_start, size);
    weir_internal_outgoing text = weir_internal_outgoing_of(&bytes, 1, size);
    result = weir_internal_writer_put(writer, &text);
    session->output_start += text.done;
  }
  release_output(session);
  return result;
}

// Sends what it can without waiting, so that a record which was left to auto-flush makes room for
// the next. Returns 0, also when all that is not possible now, or why it never will be.
static int send_at_once(weir_write_channel *writer) {
  int result = weir_internal_writer_enter_at_once(writer);
  if (result < 0) return result;
  // While the loop watches, the transport takes nothing.
  result = writer->watching ? 0 : weir_internal_writer_send(writer);
  return weir_internal_writer_leave(writer, result == -EAGAIN ? 0 : result);
}

int weir_internal_tls_make_room(weir_internal_tls_session *session, size_t size, bool wait) {
  weir_write_channel *output = &session->below->writer;
  for (;;) {
    int result = weir_write_channel_cause(output);
    if (result < 0) return result;
    result = weir_internal_tls_hand_over(session);
    if (result < 0) return result;
    size_t unsent = weir_internal_tls_unsent(session);
    if (unsent == 0 && weir_write_room(output) >= size) return 0;
    if (!wait) {
      result = unsent == 0 ? send_at_once(output) : 0;
      if (result < 0) return result;
      return unsent == 0 && weir_write_room(output) >= size ? 0 : -EAGAIN;
    }
    if (unsent > 0) size = WEIR_INTERNAL_TLS_ROOM;
    result = weir_write_await_room(output, size);
    if (result < 0) return result;
  }
}
