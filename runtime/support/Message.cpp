#include "runtime/support/Message.h"

#include <cstdarg>
#include <cstdio>

namespace tenon {

tn_status Message::fail(tn_status status, const char *format, ...) {
  int used = prefix ? snprintf(text, sizeof text, "%s: ", prefix) : 0;
  size_t start = used > 0 && size_t(used) < sizeof text ? size_t(used) : 0;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + start, sizeof text - start, format, arguments);
  va_end(arguments);
  return status;
}

Message &threadMessage() {
  static thread_local Message message;
  return message;
}

} // namespace tenon

extern "C" const char *tn_last_error(void) { return tenon::threadMessage().c_str(); }
