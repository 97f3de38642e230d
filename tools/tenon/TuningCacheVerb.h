// What `tenon tune --list`, `--prune` and `--merge` do.
#pragma once
#include <string>
#include <vector>

namespace tenon::driver {

/// Prints the records of a cache and the lines that cannot be used; returns the exit code. Throws Failure where there is no such file.
int listCache(const std::string &path, bool json);
/// Keeps the best record of each kernel of `path` and `others`, drops what cannot be read; says what it dropped. Throws Failure.
int rewriteCache(const std::string &path, const std::vector<std::string> &others, bool quiet);

} // namespace tenon::driver
