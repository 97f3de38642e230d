// The sentence that goes with an error.
#pragma once

#include "tenon/runtime.h"

namespace tenon {

class Message {
public:
  /// Formats the sentence (cut off where it is too long) and returns `status`.
  tn_status fail(tn_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
  /// Puts "file: " before what follows; null for nothing.
  void setPrefix(const char *file) { prefix = file; }
  void clear() { text[0] = '\0'; }
  const char *c_str() const { return text; }

private:
  const char *prefix = nullptr;
  char text[768] = "";
};

/// The message of this thread's last failed call without a context.
Message &threadMessage();

} // namespace tenon
