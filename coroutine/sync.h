// SPDX-License-Identifier: Apache-2.0
//
// weir/sync.h: how coroutines wait for each other: mutexes, events, semaphores, and typed channels
// with a select over several.
//
// All of them may be used by coroutines of any thread together. A coroutine that waits does not
// block its thread. Those that wait are served first come, first served. Every function below that
// suspends returns, besides what it names, -ECANCELED or -ETIMEDOUT, and then it has had no effect,
// WEIR_E_CLOSED when the object is closed meanwhile, or -EINVAL outside a coroutine. The functions
// that do not suspend may be called from any thread, coroutine or not.
//
// A close makes all who wait return WEIR_E_CLOSED and frees the object as soon as they have left
// it. Nobody may begin to use it any more, and nobody on another thread may be just beginning to.
// But who was woken may close at once, even if the call that woke him has not returned yet on its
// thread. NULL is legal.
//
// Example:
//   static int square(void *argument) {
//     weir_typed_channel *numbers = (weir_typed_channel *)argument;
//     int result = 0;
//     for (int i = 1; i <= 3 && result == 0; i++) {
//       int number = i * i;
//       result = weir_typed_channel_send(numbers, &number);
//     }
//     weir_typed_channel_finish(numbers);
//     return result;
//   }
//   static int run(void *argument) {
//     (void)argument;
//     weir_typed_channel *numbers;
//     int result = weir_typed_channel_create(&numbers, sizeof(int), 1);
//     if (result < 0) return result;
//     result = weir_launch(NULL, NULL, NULL, square, numbers);
//     int number;
//     while (result == 0 && (result = weir_typed_channel_receive(numbers, &number)) == 0) {
//       printf("%d\n", number);  // 1, 4, 9
//     }
//     int waited = weir_scope_wait(NULL);
//     weir_typed_channel_close(numbers);
//     return result == WEIR_E_END_OF_STREAM ? waited : result;
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_SYNC_H
#define WEIR_SYNC_H

#include "weir/base.h"
#include "weir/coroutine.h"

#ifdef __cplusplus
extern "C" {
#endif

// Mutexes. One coroutine holds it at a time, across whatever it suspends for. One that ends without
// unlocking it leaves it locked for ever; then it can only be closed.
typedef struct weir_mutex weir_mutex;

// weir_mutex_create makes one that nobody holds. Does not suspend. Returns 0 or -ENOMEM.
WEIR_MUST_USE int weir_mutex_create(weir_mutex **out);
// weir_mutex_close frees |mutex|, as said above. Nobody else alive may hold it. Does not suspend.
void weir_mutex_close(weir_mutex *mutex);

// weir_mutex_lock suspends until the current coroutine holds |mutex|. Returns 0, or -EDEADLK when
// it does already.
WEIR_MUST_USE int weir_mutex_lock(weir_mutex *mutex);
// weir_mutex_try_lock does not suspend: -EAGAIN when another holds it, -EDEADLK as above, -EINVAL
// outside a coroutine.
WEIR_MUST_USE int weir_mutex_try_lock(weir_mutex *mutex);
// weir_mutex_unlock hands |mutex| to the next who waits. Does not suspend. Returns 0, or -EPERM
// when the current coroutine does not hold it.
int weir_mutex_unlock(weir_mutex *mutex);

// Events. Set or not; waiting ends while it is set.
typedef struct weir_event weir_event;

// weir_event_create makes one that is not set. Does not suspend. Returns 0 or -ENOMEM.
WEIR_MUST_USE int weir_event_create(weir_event **out);
// weir_event_close frees |event|, as said above. Does not suspend.
void weir_event_close(weir_event *event);

// weir_event_wait suspends until |event| is set. Returns 0.
WEIR_MUST_USE int weir_event_wait(weir_event *event);
// weir_event_set sets |event| and wakes all who wait; on an event that is set it does nothing.
// Does not suspend.
void weir_event_set(weir_event *event);
// weir_event_reset makes those who come from now on wait again. Does not suspend.
void weir_event_reset(weir_event *event);
// weir_event_is_set tells whether |event| is set at this moment. Does not suspend.
bool weir_event_is_set(const weir_event *event);

// Semaphores. A number of permits.
typedef struct weir_semaphore weir_semaphore;

// weir_semaphore_create makes one with that many permits. Does not suspend. Returns 0 or -ENOMEM.
WEIR_MUST_USE int weir_semaphore_create(weir_semaphore **out, uint64_t permits);
// weir_semaphore_close frees |semaphore|, as said above. Does not suspend.
void weir_semaphore_close(weir_semaphore *semaphore);

// weir_semaphore_acquire suspends until it gets |count| permits together. Who comes later waits
// behind, even if there are enough for it. Returns 0.
WEIR_MUST_USE int weir_semaphore_acquire(weir_semaphore *semaphore, uint64_t count);
// weir_semaphore_try_acquire does not suspend: 0, or -EAGAIN when others wait or there are too few.
WEIR_MUST_USE int weir_semaphore_try_acquire(weir_semaphore *semaphore, uint64_t count);
// weir_semaphore_release gives back |count| permits, or adds them. Does not suspend. Returns 0, or
// -EOVERFLOW, with nothing added, when there would be more than UINT64_MAX.
int weir_semaphore_release(weir_semaphore *semaphore, uint64_t count);
// weir_semaphore_permits returns how many nobody holds at this moment. Does not suspend.
uint64_t weir_semaphore_permits(const weir_semaphore *semaphore);

// Typed channels. They carry elements of one size, by value, in order; any number of coroutines may
// send and receive.
typedef struct weir_typed_channel weir_typed_channel;

// weir_typed_channel_create makes one that holds |capacity| elements of |element_size| bytes each
// until they are received. With a capacity of 0 a sender waits until a receiver takes its element.
// Returns 0, -ENOMEM or -EINVAL for an |element_size| of 0.
WEIR_MUST_USE int weir_typed_channel_create(weir_typed_channel **out, size_t element_size,
                                            size_t capacity);
// weir_typed_channel_close frees it, and drops what was not received. What Go and Kotlin call close
// is weir_typed_channel_finish.
void weir_typed_channel_close(weir_typed_channel *channel);

// weir_typed_channel_send suspends until there is room, and sends a copy of the element at
// |element|. Returns 0, or -EPIPE after weir_typed_channel_finish. weir_typed_channel_try_send does
// not suspend: -EAGAIN when there is no room.
WEIR_MUST_USE int weir_typed_channel_send(weir_typed_channel *channel, const void *element);
WEIR_MUST_USE int weir_typed_channel_try_send(weir_typed_channel *channel, const void *element);

// weir_typed_channel_receive suspends until there is an element, and moves it to |out|. Returns 0,
// or WEIR_E_END_OF_STREAM when the channel was finished and everything was received.
// weir_typed_channel_try_receive does not suspend: -EAGAIN when there is none.
WEIR_MUST_USE int weir_typed_channel_receive(weir_typed_channel *channel, void *out);
WEIR_MUST_USE int weir_typed_channel_try_receive(weir_typed_channel *channel, void *out);

// weir_typed_channel_finish tells receivers that nothing more will be sent; senders that wait get
// -EPIPE. Does not suspend; a second call does nothing.
void weir_typed_channel_finish(weir_typed_channel *channel);

// Select

typedef struct weir_select_case {
  weir_typed_channel *channel;
  const void *send;  // the element to send; NULL: receive
  void *receive;     // where to put what was received; NULL: send
  int result;        // of the case that was chosen: as weir_typed_channel_send or
                     // weir_typed_channel_receive, also WEIR_E_CLOSED
} weir_select_case;

// weir_select suspends until one of the |count| |cases| can go on, does that one, and returns its
// index. When several can, the first in the list is done. Channels of different threads may be
// mixed, and one may occur more than once; a select that sends and receives on one channel does not
// deal with itself. Returns -EINVAL for no cases, or one without a channel, with neither |send| nor
// |receive|, or with both; -ENOMEM, with more than 16 cases only. WEIR_E_CLOSED is a result of the
// case whose channel was closed.
WEIR_MUST_USE int weir_select(weir_select_case *cases, int count);
// weir_try_select does not suspend: -EAGAIN when none can.
WEIR_MUST_USE int weir_try_select(weir_select_case *cases, int count);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_SYNC_H
