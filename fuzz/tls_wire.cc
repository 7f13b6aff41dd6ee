// SPDX-License-Identifier: Apache-2.0

#include "fuzz/tls_wire.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fuzz/fail.h"
#include "weir/custom_connection.h"

namespace weir_fuzz {

TlsWire::TlsWire() {
  if (weir_event_create(&readable_) < 0 || weir_event_create(&writable_) < 0) Fail("no events");
  weir_event_set(writable_);
}

TlsWire::~TlsWire() {
  weir_event_close(readable_);
  weir_event_close(writable_);
}

void TlsWire::Wake() {
  if (!unread_.empty() || ended_ || reset_) {
    weir_event_set(readable_);
  } else {
    weir_event_reset(readable_);
  }
  if (on_the_way_.size() < room_ || reset_) {
    weir_event_set(writable_);
  } else {
    weir_event_reset(writable_);
  }
}

int TlsWire::Read(void *out, size_t size, bool wait) {
  while (unread_.empty() && !ended_ && !reset_) {
    if (!wait) return -EAGAIN;
    int result = weir_event_wait(readable_);
    if (result < 0) return result;
  }
  if (unread_.empty()) return reset_ ? -ECONNRESET : 0;
  size_t part = std::min(size, unread_.size());
  memcpy(out, unread_.data(), part);
  unread_.erase(0, part);
  Wake();
  return static_cast<int>(part);
}

int TlsWire::Write(const void *data, size_t size, bool wait) {
  while (on_the_way_.size() >= room_ && !reset_) {
    if (!wait) return -EAGAIN;
    int result = weir_event_wait(writable_);
    if (result < 0) return result;
  }
  if (reset_) return -ECONNRESET;
  size_t part = std::min(size, room_ - on_the_way_.size());
  sent_.append(static_cast<const char *>(data), part);
  on_the_way_.append(static_cast<const char *>(data), part);
  if (automatic_) Deliver(SIZE_MAX);
  Wake();
  return static_cast<int>(part);
}

void TlsWire::Finish() {
  finished_ = true;
  if (automatic_) Deliver(SIZE_MAX);
}

void TlsWire::Deliver(size_t size) {
  size = std::min(size, on_the_way_.size());
  if (ended_ || reset_) return;
  for (size_t i = 0; i < size && !tampered(); i++, delivered_++) {
    if (delivered_ < sent_.size() && sent_[delivered_] == on_the_way_[i]) intact_++;
  }
  // Behind a difference nothing is counted any more.
  unread_.append(on_the_way_, 0, size);
  on_the_way_.erase(0, size);
  ended_ = finished_ && on_the_way_.empty();
  Wake();
}

void TlsWire::FlipBit(size_t at, int bit) {
  if (on_the_way_.empty()) return;
  touched_ = true;
  char &byte = on_the_way_[at % on_the_way_.size()];
  byte = static_cast<char>(byte ^ (1 << bit));
}

void TlsWire::Drop(size_t at, size_t size) {
  if (on_the_way_.empty()) return;
  touched_ = true;
  on_the_way_.erase(at % on_the_way_.size(), size);
  Wake();
}

void TlsWire::Duplicate(size_t at, size_t size) {
  if (on_the_way_.empty()) return;
  touched_ = true;
  at %= on_the_way_.size();
  on_the_way_.insert(at, on_the_way_.substr(at, size));
  Wake();
}

void TlsWire::Inject(size_t at, const std::string &bytes) {
  touched_ = true;
  on_the_way_.insert(std::min(at, on_the_way_.size()), bytes);
  Wake();
}

void TlsWire::CutOff() {
  if (ended_) return;
  on_the_way_.clear();
  ended_ = cut_off_ = touched_ = true;
  Wake();
}

void TlsWire::Reset() {
  reset_ = touched_ = true;
  on_the_way_.clear();
  Wake();
}

void TlsWire::set_room(size_t room) {
  room_ = room;
  Wake();
}

void TlsWire::set_automatic(bool automatic) {
  automatic_ = automatic;
  if (automatic) Deliver(SIZE_MAX);
}

// The connection

static TlsPlug &PlugOf(void *context) { return *static_cast<TlsPlug *>(context); }

static constexpr weir_custom_operations kOperations = {
    [](void *context, void *out, size_t size, bool wait) {
      return PlugOf(context).input->Read(out, size, wait);
    },
    [](void *context, const void *data, size_t size, bool wait) {
      return PlugOf(context).output->Write(data, size, wait);
    },
    [](void *context, bool) {
      PlugOf(context).output->Finish();
      return 0;
    },
    [](void *context, int) {
      PlugOf(context).input->Reset();
      PlugOf(context).output->Reset();
    },
    nullptr,
};

weir_connection *ConnectionOf(TlsPlug *plug, const char *host) {
  weir_custom_options options = {};
  options.host = host;
  weir_connection *connection;
  int result = weir_custom_connection(&connection, &kOperations, plug, &options);
  if (result < 0) Fail("no connection: %s", weir_error_name(result));
  return connection;
}

}  // namespace weir_fuzz
