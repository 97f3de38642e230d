// Tensors of strings as ordinary tensors: all their bytes, and where each string lies in them.
//
// Whatever moves elements (Reshape, Gather, Concat ...) moves starts and lengths alone. No bytes are copied before a string is made of others.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

/// String i is bytes[starts[i]] and the lengths[i] - 1 bytes behind it, all of which lie within; UTF-8, not terminated.
struct Strings {
  mlir::Value bytes;           ///< ui8 [any number]
  mlir::Value starts, lengths; ///< i64, of the tensor's shape
};

mlir::Type stringType(mlir::MLIRContext *context);
bool isString(mlir::Value value);
/// The tensors behind a value for which isString holds.
Strings stringsOf(mlir::Value value);
/// The value that stands for them while the model is imported.
mlir::Value stringsValue(Node &node, const Strings &strings);

/// A constant; null after a report.
mlir::Value stringConstant(Node &node, llvm::ArrayRef<std::string> texts, llvm::ArrayRef<int64_t> shape);
/// Of bytes and the position behind each string, as an application passes them: positions outside the bytes are moved inside.
Strings stringsFrom(Node &node, mlir::Value bytes, mlir::Value ends);
/// Copies the strings one behind the other: what `bytes` holds is theirs and nothing else. The end of string i is the start of string i + 1.
Strings packed(Node &node, const Strings &strings);
/// Places one behind the other, for each string as many as its bytes; all vectors of `count` places.
struct StringPlaces {
  nn::Dim count;
  mlir::Value owner;  ///< i64: which string, in the order of the elements
  mlir::Value within; ///< i64: which byte of it
};
/// `lengths` is an i64 vector; `ends` gets where the places of each end.
StringPlaces placesOf(Node &node, mlir::Value lengths, mlir::Value &ends);
/// i64 [strings]: for each of them the sum of the values at its places.
mlir::Value sumByOwner(Node &node, const StringPlaces &places, mlir::Value values, nn::Dim strings);
/// i64: the bytes at the places, where `starts`, an i64 vector, says for each string where its own begin.
mlir::Value bytesAt(Node &node, const StringPlaces &places, mlir::Value bytes, mlir::Value starts);
/// Entries of a vector, which may have none.
mlir::Value entriesAt(Node &node, mlir::Value vector, mlir::Value at);
/// The same strings with all bytes in one tensor.
llvm::SmallVector<Strings> inOnePool(Node &node, llvm::ArrayRef<Strings> all);

/// Strings one behind the other, each with a place more than it has bytes.
struct StringText {
  StringPlaces places;
  mlir::Value ends;       ///< i64 [strings]: behind the last place of each
  mlir::Value characters; ///< i64 [places]: the bytes
};
/// `behind`: what stands at the last place of each string.
StringText textOf(Node &node, const Strings &strings, int64_t behind);
/// What `move` makes of a tensor by moving its elements: of strings it moves the starts, and in the same way the lengths.
mlir::Value moved(Node &node, mlir::Value tensor, llvm::function_ref<mlir::Value(mlir::Value)> move);
/// Tensors of one element type, strings or numbers, one behind the other along `axis`.
mlir::Value joined(Node &node, llvm::ArrayRef<mlir::Value> tensors, int64_t axis);

/// Whether strings are equal; shapes broadcast.
mlir::Value stringsEqual(Node &node, const Strings &a, const Strings &b);

} // namespace tenon::importer
