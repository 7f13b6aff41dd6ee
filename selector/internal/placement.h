// SPDX-License-Identifier: Apache-2.0
//
// Which loop gets the next coroutine, for those who bring it there themselves.

#ifndef WEIR_SELECTOR_INTERNAL_PLACEMENT_H
#define WEIR_SELECTOR_INTERNAL_PLACEMENT_H

#include "weir/selector.h"

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_place returns the number of the loop of the current selector that
// WEIR_LEAST_LOADED means now. To be called in a coroutine.
int weir_internal_place(void);

// weir_internal_place_promise tells that a coroutine will begin on loop |number| of the current
// selector, which so has a greater load; weir_internal_place_keep, on that loop, that it has begun,
// or will not. A loop that has kept nothing for a while is passed over by WEIR_LEAST_LOADED as long
// as others do better.
void weir_internal_place_promise(int number);
void weir_internal_place_keep(void);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_SELECTOR_INTERNAL_PLACEMENT_H
