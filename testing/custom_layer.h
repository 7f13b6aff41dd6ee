// SPDX-License-Identifier: Apache-2.0
//
// A custom connection over another connection, which changes nothing.

#ifndef WEIR_TESTING_CUSTOM_LAYER_H
#define WEIR_TESTING_CUSTOM_LAYER_H

#include <cstdint>

#include "weir/coroutine.h"
#include "weir/custom_connection.h"

namespace weir_testing {

struct CustomLayer {
  weir_connection *lower = nullptr;
  int released = 0;
  // Of all writes and ends, counted from 1, those for which there is no memory.
  int first_refused = 0, last_refused = 0;
  int tried = 0;
  int64_t refused_at = 0;  // the last one

  bool Refuses() {
    tried++;
    bool refused = tried >= first_refused && tried <= last_refused;
    if (refused) refused_at = weir_now();
    return refused;
  }

  weir_read_channel *Reader() const { return weir_open_read_channel(lower); }
  weir_write_channel *Writer() const { return weir_open_write_channel(lower, true); }

  static CustomLayer &Of(void *context) { return *static_cast<CustomLayer *>(context); }
};

// The context is the layer. After the release |lower| is still to be closed.
inline constexpr weir_custom_operations kCustomLayerOperations = {
    [](void *context, void *out, size_t size, bool wait) {
      weir_read_channel *reader = CustomLayer::Of(context).Reader();
      int result = (wait ? weir_read_available : weir_read_try)(reader, out, size);
      return result == WEIR_E_END_OF_STREAM ? 0 : result;
    },
    [](void *context, const void *data, size_t size, bool wait) {
      CustomLayer &layer = CustomLayer::Of(context);
      if (layer.Refuses()) return -ENOBUFS;
      return (wait ? weir_write_available : weir_write_try)(layer.Writer(), data, size);
    },
    [](void *context, bool wait) {
      CustomLayer &layer = CustomLayer::Of(context);
      if (!wait) return -EAGAIN;
      return layer.Refuses() ? -ENOBUFS : weir_write_channel_close(layer.Writer());
    },
    [](void *context, int cause) {
      CustomLayer &layer = CustomLayer::Of(context);
      weir_write_channel_cancel(layer.Writer(), cause);
      weir_read_channel_cancel(layer.Reader(), cause);
    },
    [](void *context) {
      CustomLayer &layer = CustomLayer::Of(context);
      layer.released++;
      weir_read_channel_cancel(layer.Reader(), -EPIPE);
    },
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_CUSTOM_LAYER_H
