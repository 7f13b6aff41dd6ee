// SPDX-License-Identifier: Apache-2.0
//
// The shortest conversation: a line there, and the same line back.

#ifndef WEIR_TESTING_CONVERSATION_H
#define WEIR_TESTING_CONVERSATION_H

#include <string>

#include "weir/channel.h"

namespace weir_testing {

// Reads a line and sends it back, with auto-flush: it may still be on its way. Returns 0 or a
// failure.
int AnswerALine(weir_connection *connection);

// Sends |question| as a line, ends the stream, and reads the answer and the end of the other
// stream. Returns 0 or a failure; |out_answered| is set once the answer was the question.
int AskALine(weir_connection *connection, const std::string &question, bool *out_answered);

// Closes |connection|. Returns |result| if that is a failure, otherwise how the close went.
int CloseAfter(int result, weir_connection *connection);

}  // namespace weir_testing

#endif  // WEIR_TESTING_CONVERSATION_H
