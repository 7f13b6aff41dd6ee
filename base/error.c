// SPDX-License-Identifier: Apache-2.0

#include "weir/base.h"

// The numbers differ between architectures, the names do not.
#define N(code) [code] = #code
static const char *const kernel_names[] = {
    N(EPERM),
    N(ENOENT),
    N(ESRCH),
    N(EINTR),
    N(EIO),
    N(ENXIO),
    N(E2BIG),
    N(ENOEXEC),
    N(EBADF),
    N(ECHILD),
    N(EAGAIN),
    N(ENOMEM),
    N(EACCES),
    N(EFAULT),
    N(ENOTBLK),
    N(EBUSY),
    N(EEXIST),
    N(EXDEV),
    N(ENODEV),
    N(ENOTDIR),
    N(EISDIR),
    N(EINVAL),
    N(ENFILE),
    N(EMFILE),
    N(ENOTTY),
    N(ETXTBSY),
    N(EFBIG),
    N(ENOSPC),
    N(ESPIPE),
    N(EROFS),
    N(EMLINK),
    N(EPIPE),
    N(EDOM),
    N(ERANGE),
    N(EDEADLK),
    N(ENAMETOOLONG),
    N(ENOLCK),
    N(ENOSYS),
    N(ENOTEMPTY),
    N(ELOOP),
    N(ENOMSG),
    N(EIDRM),
    N(ECHRNG),
    N(EL2NSYNC),
    N(EL3HLT),
    N(EL3RST),
    N(ELNRNG),
    N(EUNATCH),
    N(ENOCSI),
    N(EL2HLT),
    N(EBADE),
    N(EBADR),
    N(EXFULL),
    N(ENOANO),
    N(EBADRQC),
    N(EBADSLT),
    N(EBFONT),
    N(ENOSTR),
    N(ENODATA),
    N(ETIME),
    N(ENOSR),
    N(ENONET),
    N(ENOPKG),
    N(EREMOTE),
    N(ENOLINK),
    N(EADV),
    N(ESRMNT),
    N(ECOMM),
    N(EPROTO),
    N(EMULTIHOP),
    N(EDOTDOT),
    N(EBADMSG),
    N(EOVERFLOW),
    N(ENOTUNIQ),
    N(EBADFD),
    N(EREMCHG),
    N(ELIBACC),
    N(ELIBBAD),
    N(ELIBSCN),
    N(ELIBMAX),
    N(ELIBEXEC),
    N(EILSEQ),
    N(ERESTART),
    N(ESTRPIPE),
    N(EUSERS),
    N(ENOTSOCK),
    N(EDESTADDRREQ),
    N(EMSGSIZE),
    N(EPROTOTYPE),
    N(ENOPROTOOPT),
    N(EPROTONOSUPPORT),
    N(ESOCKTNOSUPPORT),
    N(EOPNOTSUPP),
    N(EPFNOSUPPORT),
    N(EAFNOSUPPORT),
    N(EADDRINUSE),
    N(EADDRNOTAVAIL),
    N(ENETDOWN),
    N(ENETUNREACH),
    N(ENETRESET),
    N(ECONNABORTED),
    N(ECONNRESET),
    N(ENOBUFS),
    N(EISCONN),
    N(ENOTCONN),
    N(ESHUTDOWN),
    N(ETOOMANYREFS),
    N(ETIMEDOUT),
    N(ECONNREFUSED),
    N(EHOSTDOWN),
    N(EHOSTUNREACH),
    N(EALREADY),
    N(EINPROGRESS),
    N(ESTALE),
    N(EUCLEAN),
    N(ENOTNAM),
    N(ENAVAIL),
    N(EISNAM),
    N(EREMOTEIO),
    N(EDQUOT),
    N(ENOMEDIUM),
    N(EMEDIUMTYPE),
    N(ECANCELED),
    N(ENOKEY),
    N(EKEYEXPIRED),
    N(EKEYREVOKED),
    N(EKEYREJECTED),
    N(EOWNERDEAD),
    N(ENOTRECOVERABLE),
    N(ERFKILL),
    N(EHWPOISON),
};
#undef N

static const struct {
  int code;
  const char *name;
  const char *message;
} own_errors[] = {
    {WEIR_E_END_OF_STREAM, "WEIR_E_END_OF_STREAM", "end of stream"},
    {WEIR_E_LINE_TOO_LONG, "WEIR_E_LINE_TOO_LONG", "line is too long"},
    {WEIR_E_INVALID_UTF8, "WEIR_E_INVALID_UTF8", "line is not valid UTF-8"},
    {WEIR_E_CLOSED, "WEIR_E_CLOSED", "closed on this side"},
    {WEIR_E_TLS_TRUNCATED, "WEIR_E_TLS_TRUNCATED", "secure stream ended without close_notify"},
    {WEIR_E_TLS_CERTIFICATE, "WEIR_E_TLS_CERTIFICATE", "peer's certificate was refused"},
    {WEIR_E_TLS_PROTOCOL, "WEIR_E_TLS_PROTOCOL", "peer broke the TLS protocol"},
    {WEIR_E_LINE_UNTERMINATED, "WEIR_E_LINE_UNTERMINATED", "stream ended within a line"},
    {WEIR_E_NAME_NOT_FOUND, "WEIR_E_NAME_NOT_FOUND", "host name not found"},
    {WEIR_E_NAME_TRY_AGAIN, "WEIR_E_NAME_TRY_AGAIN", "no name server answered, try again later"},
    {WEIR_E_NAME_FAILED, "WEIR_E_NAME_FAILED", "name resolution failed"},
    {WEIR_E_SERVICE_NOT_FOUND, "WEIR_E_SERVICE_NOT_FOUND", "service not found"},
    {WEIR_E_TLS_ALERT, "WEIR_E_TLS_ALERT", "peer refused with a TLS alert"},
    {WEIR_E_TLS_NO_AGREEMENT, "WEIR_E_TLS_NO_AGREEMENT", "no TLS parameters in common"},
    {WEIR_E_TLS_LIBRARY, "WEIR_E_TLS_LIBRARY", "TLS library failed"},
    {WEIR_E_TLS_PEM, "WEIR_E_TLS_PEM", "not the PEM text that was expected"},
    {WEIR_E_TLS_CHAIN, "WEIR_E_TLS_CHAIN", "not a certificate chain"},
    {WEIR_E_TLS_KEY, "WEIR_E_TLS_KEY", "private key cannot be used with the certificate"},
    {WEIR_E_TLS_NO_ROOTS, "WEIR_E_TLS_NO_ROOTS", "no trusted root certificates"},
};

enum { OWN_ERROR_COUNT = sizeof own_errors / sizeof own_errors[0] };
enum { KERNEL_NAME_COUNT = sizeof kernel_names / sizeof kernel_names[0] };

static const char *kernel_name(int code) {
  return code > -KERNEL_NAME_COUNT ? kernel_names[-code] : NULL;
}

const char *weir_error_name(int code) {
  if (code >= 0) return "0";
  for (size_t i = 0; i < OWN_ERROR_COUNT; i++) {
    if (own_errors[i].code == code) return own_errors[i].name;
  }
  const char *name = kernel_name(code);
  return name != NULL ? name : "UNKNOWN";
}

const char *weir_error_message(int code) {
  if (code >= 0) return "success";
  // The kernel's texts for these two speak of connections only; ours come from deadlines too.
  if (code == -ETIMEDOUT) return "timed out";
  if (code == -ECANCELED) return "cancelled";
  for (size_t i = 0; i < OWN_ERROR_COUNT; i++) {
    if (own_errors[i].code == code) return own_errors[i].message;
  }
  // For a code it knows, strerror returns a constant, so other threads do not matter.
  return kernel_name(code) != NULL ? strerror(-code) : "unknown error";
}
