// SPDX-License-Identifier: Apache-2.0
//
// Rows of the suspension matrix for what TLS loads from files.

#ifndef WEIR_TESTING_TLS_SUSPENSIONS_H
#define WEIR_TESTING_TLS_SUSPENSIONS_H

#include <vector>

#include "testing/suspension_matrix.h"

namespace weir_testing {

// The rows of what loads credentials and roots.
std::vector<SuspensionPoint> TlsLoadPoints();

}  // namespace weir_testing

#endif  // WEIR_TESTING_TLS_SUSPENSIONS_H
