// SPDX-License-Identifier: Apache-2.0
//
// A room where everybody reads what anybody writes: chat [HOST PORT | unix:PATH], then
// telnet HOST PORT. `/quit` leaves.
//
// Each client has two coroutines. One reads its lines and puts them into the queues of all the
// others; the other one takes what is in its client's own queue and writes it. A speaker waits for
// those whose queues are full, but not for long: whoever keeps the room waiting is dropped.

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "weir/address.h"
#include "weir/sync.h"
#include "weir/tcp.h"

enum { QUEUE_LINES = 256, LONGEST_LINE = 1000, NAME_SIZE = WEIR_ADDRESS_TEXT_SIZE };

#define PATIENCE WEIR_SECOND        // with one who does not read
#define FAREWELL (5 * WEIR_SECOND)  // to read what was said before one left

// A line on its way to many.
typedef struct message {
  int holders;
  size_t size;
  char text[];
} message;

typedef struct member {
  struct member *next;
  weir_connection *connection;
  weir_typed_channel *queue;  // of message *
  bool gone;                  // nothing more is for it
  char name[NAME_SIZE];
} member;

typedef struct room {
  weir_mutex *floor;  // whoever speaks, comes or goes has it, so that all hear the same
  member *members;
  int nameless;
  char **place;
} room;

static void let_go(message *line) {
  if (--line->holders == 0) free(line);
}

// Characters that would do something to a terminal are replaced. In UTF-8 those from 0x80 to 0x9f
// are two bytes.
static message *message_of(const char *name, weir_bytes text) {
  size_t name_size = strlen(name);
  message *line = malloc(sizeof *line + name_size + 2 + text.size);
  if (line == NULL) return NULL;
  line->holders = 1;
  line->size = name_size + 2 + text.size;
  memcpy(line->text, name, name_size);
  memcpy(line->text + name_size, ": ", 2);
  char *out = line->text + name_size + 2;
  memcpy(out, text.data, text.size);
  for (size_t i = 0; i < text.size; i++) {
    unsigned char byte = (unsigned char)out[i];
    if (i > 0 && text.data[i - 1] == '\xc2' && byte < 0xa0) out[i - 1] = out[i] = '?';
    if (byte < ' ' || byte == 0x7f) out[i] = '?';
  }
  return line;
}

static void deliver(member *to, message *line) {
  if (to->gone) return;
  line->holders++;
  weir_timeout patience = weir_timeout_begin(PATIENCE);
  int result = weir_typed_channel_send(to->queue, &line);
  weir_timeout_end(patience);
  if (result == 0) return;
  line->holders--;
  if (result != -ETIMEDOUT) return;
  // Its coroutines find out by themselves.
  to->gone = true;
  weir_connection_abort(to->connection);
}

// Puts a line into the queues of all but |author|, who may be NULL. The caller has the floor.
static void say(const room *here, const member *author, const char *name, weir_bytes text) {
  message *line = message_of(name, text);
  if (line == NULL) return;
  for (member *each = here->members; each != NULL; each = each->next) {
    if (each != author) deliver(each, line);
  }
  let_go(line);
}

// Writes what is in the queue, until that is finished.
static int write_lines(void *argument) {
  member *self = argument;
  weir_write_channel *output = weir_open_write_channel(self->connection, true);
  message *line;
  int result;
  while ((result = weir_typed_channel_receive(self->queue, &line)) == 0) {
    result = weir_write_line(output, weir_bytes_of(line->text, line->size));
    let_go(line);
    if (result < 0) break;
  }
  self->gone = true;
  return result == WEIR_E_END_OF_STREAM ? weir_flush(output) : result;
}

static int enter(room *here, member *self) {
  int result = weir_mutex_lock(here->floor);
  if (result < 0) return result;
  const char *address = weir_remote_address(self->connection);
  bool has_name = strcmp(address, "unix:") != 0;
  if (has_name) snprintf(self->name, sizeof self->name, "%s", address);
  if (!has_name) snprintf(self->name, sizeof self->name, "guest %d", ++here->nameless);
  self->next = here->members;
  here->members = self;
  printf("%s came\n", self->name);
  say(here, self, self->name, weir_text("has come"));
  return weir_mutex_unlock(here->floor);
}

// Reads lines and spreads them, until the client leaves.
static int read_lines(const room *here, const member *self) {
  weir_read_channel *input = weir_open_read_channel(self->connection);
  weir_bytes line;
  for (;;) {
    int result = weir_read_utf8_line(input, &line);
    if (result == WEIR_E_LINE_TOO_LONG || result == WEIR_E_INVALID_UTF8) continue;
    if (result < 0) return result;
    if (line.size == 5 && memcmp(line.data, "/quit", 5) == 0) return 0;
    result = weir_mutex_lock(here->floor);
    if (result < 0) return result;
    say(here, self, self->name, line);
    result = weir_mutex_unlock(here->floor);
    if (result < 0) return result;
  }
}

// Also in a coroutine that is cancelled, which the shield lets wait for the floor. Then the program
// is being stopped, and nobody needs to be told.
static void leave(room *here, member *self) {
  self->gone = true;
  weir_shield shield = weir_shield_begin();
  if (weir_mutex_lock(here->floor) == 0) {
    member **link = &here->members;
    while (*link != self) link = &(*link)->next;
    *link = self->next;
    if (!weir_is_cancelled()) say(here, NULL, self->name, weir_text("has left"));
    printf("%s left\n", self->name);
    weir_mutex_unlock(here->floor);
  }
  weir_shield_end(shield);
}

static int stay(room *here, member *self) {
  weir_scope *scope;
  int result = weir_scope_open(&scope, NULL);
  if (result < 0) return result;
  result = weir_launch(scope, NULL, NULL, write_lines, self);
  if (result == 0) result = enter(here, self);
  if (result == 0) {
    result = read_lines(here, self);
    leave(here, self);
  }
  // The writer still writes what is in the queue, unless the client does not read it.
  weir_typed_channel_finish(self->queue);
  weir_timeout farewell = weir_timeout_begin(FAREWELL);
  if (result == 0) result = weir_scope_wait(scope);
  weir_timeout_end(farewell);
  int closed = weir_scope_close(scope);
  return result < 0 ? result : closed;
}

static int serve(weir_connection *client, void *argument) {
  member self = {.connection = client};
  int result = weir_typed_channel_create(&self.queue, sizeof(message *), QUEUE_LINES);
  if (result == 0) {
    result = stay(argument, &self);
    message *line;
    while (weir_typed_channel_try_receive(self.queue, &line) == 0) let_go(line);
    weir_typed_channel_close(self.queue);
  }
  int closed = weir_connection_close(client);
  return result < 0 ? result : closed;
}

static int listen_at(weir_listener **out, char **place) {
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  tcp.options.read.line_limit = LONGEST_LINE;
  tcp.options.read.resynchronise = true;
  weir_address address;
  uint16_t port;
  if (place[1] == NULL) {
    int result = weir_address_from_text(&address, place[0]);
    return result < 0 ? result : weir_tcp_bind_address(tcp, out, &address);
  }
  int result = weir_port_parse(&port, place[1]);
  return result < 0 ? result : weir_tcp_bind(tcp, out, place[0], port);
}

static int run(void *argument) {
  room *here = argument;
  int result = weir_mutex_create(&here->floor);
  if (result < 0) return result;
  weir_listener *listener;
  result = listen_at(&listener, here->place);
  if (result == 0) {
    printf("Started chat at %s\n", weir_listener_address(listener));
    result = weir_tcp_serve(listener, NULL, serve, here);
    weir_listener_close(listener);
  }
  weir_mutex_close(here->floor);
  return result;
}

static const char help[] =
    "usage: %s [--help] [HOST PORT | unix:PATH | unix:@NAME]\n"
    "Passes every line that a client sends to all the others, until it is interrupted. A client\n"
    "leaves with /quit, and is dropped when it does not read what the others say.\n"
    "HOST is an address, localhost, or '' for every address of the machine; by default it is\n"
    "127.0.0.1 port 2323.\n";

int main(int count, char **words) {
  static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
  int option = getopt_long(count, words, "+h", options, NULL);
  if (option == 'h') return printf(help, words[0]), 0;
  int left = count - optind;
  if (option != -1 || left > 2) return fprintf(stderr, help, words[0]), 2;
  char host[] = "127.0.0.1", port[] = "2323";
  char *place[] = {left > 0 ? words[optind] : host, left > 1 ? words[optind + 1] : NULL};
  if (left == 0) place[1] = port;
  setvbuf(stdout, NULL, _IOLBF, 0);
  room here = {.place = place};
  int result = weir_run(&(weir_selector_options){.cancel_on_interrupt = true}, run, &here);
  if (result == 0) return 0;
  const char *why = result == -EINVAL ? "not an address" : weir_error_message(result);
  fprintf(stderr, "%s: cannot serve on %s%s%s: %s\n", words[0], place[0],
          place[1] == NULL ? "" : " port ", place[1] == NULL ? "" : place[1], why);
  return 1;
}
