#pragma once
#include "lib/Importer/Strings.h"

namespace tenon::importer {

/// StringSplit of the strings that are the node's input.
void splitStrings(Node &node, const Strings &given);

} // namespace tenon::importer
