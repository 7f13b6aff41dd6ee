// SPDX-License-Identifier: Apache-2.0

#include "testing/conversation.h"

namespace weir_testing {

int AnswerALine(weir_connection *connection) {
  weir_bytes line;
  int result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
  if (result == 0) result = weir_write_line(weir_open_write_channel(connection, true), line);
  return result;
}

int AskALine(weir_connection *connection, const std::string &question, bool *out_answered) {
  weir_write_channel *output = weir_open_write_channel(connection, false);
  int result = weir_write_line(output, weir_bytes_of(question.data(), question.size()));
  if (result == 0) result = weir_write_channel_close(output);
  weir_read_channel *input = weir_open_read_channel(connection);
  weir_bytes line;
  if (result == 0) result = weir_read_utf8_line(input, &line);
  if (result < 0) return result;
  *out_answered = question == std::string(line.data, line.size);
  result = weir_read_utf8_line(input, &line);
  return result == WEIR_E_END_OF_STREAM ? 0 : result;
}

int CloseAfter(int result, weir_connection *connection) {
  int closed = weir_connection_close(connection);
  return result < 0 ? result : closed;
}

}  // namespace weir_testing
